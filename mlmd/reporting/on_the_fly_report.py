"""The report of an on-the-fly run: metrics, records along the run, figures."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any

import torch

from mlmd.evaluation.resolved_lines import ResolvedLine
from mlmd.io.run_folder import REFERENCE_FILE, RunFiles
from mlmd.on_the_fly import Entry, Signal, break_even_step, write_records
from mlmd.on_the_fly.evaluate_run import JudgingPlan, judge
from mlmd.on_the_fly.records import LEDGER_FILE, SIGNALS_FILE, write_rows
from mlmd.reporting.on_the_fly_figure import Timeline, timeline_figure
from mlmd.reporting.style import RunLabel
from mlmd.systems import System

LINES_FILE = "lines.csv"

LEFT_BEHIND = ("metrics.json", "report.html", REFERENCE_FILE, "best.ckpt", LEDGER_FILE, SIGNALS_FILE, LINES_FILE)
"""What a run writes near its end, and an earlier run in the same folder may have left."""


def report(
    outcome: dict[str, Any],
    files: RunFiles,
    *,
    name: str,
    judging: JudgingPlan | None,
    draws: bool,
    system: System,
    label: RunLabel,
    device: torch.device,
) -> dict[str, float]:
    """Write records and figures of a finished run, and return its metrics.

    Args:
        outcome: see `mlmd.on_the_fly.folder_backend.outcome`.
        files: the run's folder, with its trajectory.
        name: of the injection, under which scores are reported.
        judging: how the run is judged; None where it is not.
        draws: whether figures are drawn.
        system: what was simulated.
        label: what the figures say of the run.
        device: where a reference is propagated.
    """
    entries = [Entry(*entry) for entry in outcome["ledger"]["entries"]]
    signals = [Signal(*signal) for signal in outcome["signals"]]
    write_records(files.folder, entries, signals)
    scores = counts(outcome, n_steps=label.n_steps, n_replicas=label.n_replicas)
    if judging is not None:
        judged = judge(outcome, files, judging, system=system, device=device)
        scores |= judged.scores
        if judged.lines:
            header = [field.name for field in fields(ResolvedLine)]
            write_rows(files.folder / LINES_FILE, header, map(astuple, judged.lines))
    metrics = {f"rollout/{name}/{quantity}": value for quantity, value in scores.items()}
    metrics |= learned(outcome) | costs(outcome, entries)
    if draws:
        timeline = Timeline(entries, signals, metrics["cost/force_call_s"])
        timeline_figure(files.figures / "on_the_fly.png", timeline, label)
    return metrics


def counts(outcome: dict[str, Any], *, n_steps: int, n_replicas: int) -> dict[str, float]:
    """What the run took, under the names of any rollout; steps count from where ML first took over."""
    takeover = outcome["standing"]["takeover_step"]
    calls, warmup = outcome["force_calls"], outcome["warmup_force_calls"]
    return {
        "force_calls": calls - warmup if takeover is not None else 0,
        "warmup_force_calls": warmup if takeover is not None else calls,
        "frequency": outcome["frequency"],
        "n_steps": n_steps - (n_steps if takeover is None else takeover),
        "n_replicas": n_replicas,
    }


def learned(outcome: dict[str, Any]) -> dict[str, float]:
    """How the learning went."""
    standing, trials = outcome["standing"], outcome["trials"]
    metrics = {
        "learning/trainings": standing["n_rounds"],
        "learning/trainings_that_passed": sum(passes for _, _, passes in trials),
        "learning/fallbacks": standing["n_fallbacks"],
    }
    if standing["takeover_step"] is not None:
        metrics["learning/takeover_step"] = standing["takeover_step"]
    if trials:
        metrics["learning/last_trial_error"] = trials[-1][1]
    return metrics


def costs(outcome: dict[str, Any], entries: Sequence[Entry]) -> dict[str, float]:
    """Seconds by what they were spent on, and the speed-up against pure Hamiltonian dynamics with all of it in.

    The whole runs from the start of the command, imports and the relaxation of the molecule among it, to the last step;
    judging comes after.
    """
    seconds, n_calls, n_steps = outcome["ledger"]["seconds"], outcome["force_calls"], entries[-1].step
    elapsed, force_call = entries[-1].elapsed_s, seconds["forces"] / n_calls
    n_learned = max(1, n_steps - n_calls)
    learned_step = seconds["learned"] / n_learned
    share = n_calls / n_steps
    metrics = {
        "cost/force_calls": n_calls,
        "cost/force_call_s": force_call,
        "cost/learned_step_s": learned_step,
        "cost/forces_s": seconds["forces"],
        "cost/training_s": seconds["training"],
        "cost/trial_s": seconds["trial"],
        "cost/learned_s": seconds["learned"],
        "cost/elapsed_s": elapsed,
        "cost/pure_hamiltonian_s": force_call * n_steps,
        "cost/speed_up": force_call * n_steps / elapsed,
        "cost/speed_up_ceiling": 1.0 / (share + (1.0 - share) * learned_step / force_call),
    }
    break_even = break_even_step(list(entries), force_call)
    return metrics | ({} if break_even is None else {"cost/break_even_step": break_even})
