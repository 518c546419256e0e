"""Evaluates rollouts: reads them in chunks, scores every replica, and keeps curves for figures and files."""

from mlmd.evaluation.curves import RolloutCurves, merge_curves
from mlmd.evaluation.curves_file import read_curves, write_curves
from mlmd.evaluation.evaluate import RolloutEvaluation, evaluate_rollouts, evaluate_system
from mlmd.evaluation.replicas_file import ReplicaRow, read_replicas, replica_rows, write_replicas
from mlmd.evaluation.resolved_lines import ResolvedLine, resolve_lines
from mlmd.evaluation.rollouts import RolloutPlan, RolloutResult, reference_rollout, run_rollouts

__all__ = [
    "ReplicaRow",
    "ResolvedLine",
    "RolloutCurves",
    "RolloutEvaluation",
    "RolloutPlan",
    "RolloutResult",
    "evaluate_rollouts",
    "evaluate_system",
    "merge_curves",
    "read_curves",
    "read_replicas",
    "reference_rollout",
    "replica_rows",
    "resolve_lines",
    "run_rollouts",
    "write_curves",
    "write_replicas",
]
