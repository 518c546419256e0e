"""Rollouts that judge a predictor: MLMD from held-out initial states against reference dynamics from the same ones."""

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.evaluation.curves import RolloutCurves
from mlmd.evaluation.evaluate import RolloutEvaluation, evaluate_rollouts
from mlmd.models import VelocityPredictor
from mlmd.observables import internal_motion_of
from mlmd.propagation import EagerEngine, Engine, Injection, Propagator, reference_propagator, rollout_counts
from mlmd.state import FrameSource, Trajectory
from mlmd.systems import System

CHUNK_STEPS = 1000
"""Steps between two calls of the progress reporter."""

Progress = Callable[[str, int, int], None]
"""Told the name of the run, the steps done and the steps in all."""


@dataclass(frozen=True)
class RolloutPlan:
    """What is propagated.

    Attributes:
        injections: injection by name of its schedule; each rollout works on a copy.
        n_steps: steps after ML takes over.
        n_replicas: held-out replicas.
        start_step: Hamiltonian steps before ML takes over.
        engine: advances the learned stretches; the rollouts take turns with it.
        energy_every: judged frames from one potential energy to the next, see `evaluate_rollouts`.

    Raises:
        ConfigError: a number is too small.
    """

    injections: Mapping[str, Injection]
    n_steps: int
    n_replicas: int
    start_step: int
    engine: Engine = field(default_factory=EagerEngine)
    energy_every: int = 1

    def __post_init__(self) -> None:
        # One frame has no slope and no spectrum.
        for name, least in (("n_steps", 2), ("n_replicas", 1), ("start_step", 1), ("energy_every", 1)):
            value = getattr(self, name)
            if value is None or value < least:
                raise ConfigError(f"rollout.{name} = {value} must be at least {least}")
        if self.energy_every >= self.n_steps:
            raise ConfigError(
                f"rollout.energy_every = {self.energy_every} leaves one energy of {self.n_steps} steps, and judging "
                "needs two; lower it"
            )


@dataclass(frozen=True)
class RolloutResult:
    """What is kept of a rollout once it is judged.

    Attributes:
        metrics: scores by name, counts included.
        curves: for figures, under the name of the schedule.
        diverged_at: step at which a replica was found diverged, by replica.
        n_replicas: replicas that were propagated.
        wall_s: wall-clock time of the propagation, s.
    """

    metrics: dict[str, float]
    curves: RolloutCurves
    diverged_at: dict[int, int]
    n_replicas: int
    wall_s: float


def reference_rollout(
    system: System, initial: tuple[Tensor, Tensor], plan: RolloutPlan, *, device: torch.device | str, progress: Progress
) -> Trajectory:
    """Reference frames from the step at which ML takes over, on the CPU; their force calls are nobody's.

    Args:
        system: what is simulated.
        initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
        plan: how long, and from which step on.
        device: where.
        progress: told how far the run is.
    """
    propagator = reference_propagator(system, device=device)
    propagator.start(*initial)
    propagator.advance(plan.start_step, every=plan.start_step + 1)
    return _advance(propagator, plan.n_steps, "reference", progress)


def run_rollouts(
    predictor: VelocityPredictor,
    system: System,
    initial: tuple[Tensor, Tensor],
    reference: Trajectory,
    plan: RolloutPlan,
    *,
    device: torch.device | str,
    progress: Progress,
) -> dict[str, RolloutResult]:
    """Propagate under every injection of the plan, one after the other, and judge each rollout before the next.

    At most one rollout is in memory beside the reference.

    Args:
        predictor: trained predictor, on ``device``.
        system: what is simulated.
        initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
        reference: frames of `reference_rollout` from the same states.
        plan: what is propagated.
        device: where.
        progress: told how far each run is.

    Returns:
        Results by name of the schedule.
    """
    results = {}
    for name, injection in plan.injections.items():
        propagator = Propagator(
            system,
            injection=copy.deepcopy(injection),
            predictor=predictor,
            start_step=plan.start_step,
            device=device,
            engine=plan.engine,
        )
        propagator.start(*initial)
        propagator.advance(plan.start_step, every=plan.start_step + 1)
        results[name] = _propagate_and_judge(propagator, name, reference, plan, progress)
    return results


def _propagate_and_judge(
    propagator: Propagator, name: str, reference: Trajectory, plan: RolloutPlan, progress: Progress
) -> RolloutResult:
    """The frames end with this function, before the next rollout needs the room."""
    began = time.perf_counter()
    trajectory = _advance(propagator, plan.n_steps, name, progress)
    wall_s = time.perf_counter() - began
    survey = evaluate_system({name: trajectory}, reference, propagator.system, energy_every=plan.energy_every)
    return RolloutResult(
        metrics=survey.scores[name] | rollout_counts(propagator),
        curves=survey.curves,
        diverged_at=dict(propagator.guard.diverged_at),
        n_replicas=trajectory.n_replicas,
        wall_s=wall_s,
    )


def evaluate_system(
    runs: Mapping[str, FrameSource],
    reference: FrameSource,
    system: System,
    *,
    first: int = 0,
    energy_every: int = 1,
) -> RolloutEvaluation:
    """Scores and curves of rollouts of a system, of any length, in bounded memory; see `evaluate_rollouts`.

    Args:
        runs: by name, on the CPU.
        reference: of the same steps from the same initial states.
        system: what was simulated.
        first: the first frame that is judged.
        energy_every: frames from one potential energy to the next; more than 1 where the Hamiltonian is expensive.

    Raises:
        ConfigError: fewer than two energies are left, or a system of more than two atoms has no normal modes.
        DataError: runs and reference do not fit together, or the reference is not finite.
    """
    return evaluate_rollouts(
        runs,
        reference,
        lambda positions: system.hamiltonian.energy_and_forces(positions)[0],
        masses=system.masses(),
        dt_fs=system.dt_fs,
        period_fs=system.slowest_period_fs,
        first=first,
        motion=internal_motion_of(system),
        energy_every=energy_every,
    )


def _advance(propagator: Propagator, n_steps: int, name: str, progress: Progress) -> Trajectory:
    """The next frames, on the CPU, where they are judged; joined as they come, so that they are held once."""
    state = propagator.state
    shape = (state.n_replicas, n_steps, *state.positions.shape[1:])
    whole = Trajectory(
        torch.empty(n_steps, dtype=torch.int64), *(torch.empty(shape, dtype=torch.float64) for _ in range(3))
    )
    for done in range(0, n_steps, CHUNK_STEPS):
        part = propagator.advance(min(CHUNK_STEPS, n_steps - done))
        taken = whole.frames(done, done + len(part))
        taken.steps.copy_(part.steps)
        taken.positions.copy_(part.positions)
        taken.velocities.copy_(part.velocities)
        taken.kicks.copy_(part.kicks)
        progress(name, min(done + CHUNK_STEPS, n_steps), n_steps)
    return whole
