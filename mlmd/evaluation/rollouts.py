"""Runs MLMD from held-out initial states and scores it against reference dynamics from the same states."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.evaluation.curves import RolloutCurves
from mlmd.evaluation.evaluate import evaluate_system
from mlmd.models import VelocityPredictor
from mlmd.propagation import Dynamics, EagerEngine, Engine, Injection, Propagator, reference_dynamics, rollout_counts
from mlmd.state import Trajectory
from mlmd.systems import System

CHUNK_STEPS = 1000
"""Number of steps between two calls of the progress callback."""

Progress = Callable[[str, int, int], None]
"""Called with the name of the run, the number of steps done and the total number of steps."""


@dataclass(frozen=True)
class RolloutPlan:
    """Which rollouts are propagated.

    Attributes:
        injections: injections by name of their schedule; all rollouts share them.
        n_steps: steps after ML takes over, at least 2.
        n_replicas: number of held-out replicas, at least 1.
        start_step: Hamiltonian steps before ML takes over, at least 1.
        engine: engine that advances the learned stretches of all rollouts, one after the other.
        energy_every: frames from one potential energy to the next, see `evaluate_rollouts`; at least 1.

    Raises:
        ConfigError: a number is too small, or ``energy_every`` leaves fewer than two energies.
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
                f"rollout.energy_every = {self.energy_every} leaves one energy in {self.n_steps} steps, and the energy "
                "error needs two; lower it"
            )


@dataclass(frozen=True)
class RolloutResult:
    """What is kept of a rollout after its frames are gone.

    Attributes:
        metrics: scores and counts by name.
        curves: curves for figures, under the name of the schedule.
        diverged_at: step at which a replica was found to have diverged, by replica.
        n_replicas: number of replicas that were propagated.
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
    """Reference frames from the step at which ML takes over, on the CPU. Their force calls are not counted.

    Args:
        system: what is simulated.
        initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
        plan: number of steps, and the step at which ML takes over.
        device: device of the propagation.
        progress: called after every 1000 steps.
    """
    propagator = Propagator.begin(reference_dynamics(system, device=device), *initial)
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
    """Propagates one rollout per injection of the plan and evaluates each before the next one starts.

    At most one rollout is in memory beside the reference.

    Args:
        predictor: trained predictor, on ``device``.
        system: what is simulated.
        initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
        reference: frames of `reference_rollout` from the same states.
        plan: which rollouts are propagated.
        device: device of the propagation.
        progress: called after every 1000 steps.

    Returns:
        Results by name of the schedule.
    """
    results = {}
    for name, injection in plan.injections.items():
        dynamics = Dynamics(
            system=system,
            injection=injection,
            predictor=predictor,
            start_step=plan.start_step,
            device=device,
            engine=plan.engine,
        )
        propagator = Propagator.begin(dynamics, *initial)
        propagator.advance(plan.start_step, every=plan.start_step + 1)
        results[name] = _propagate_and_evaluate(propagator, name, reference, plan, progress)
    return results


def _propagate_and_evaluate(
    propagator: Propagator, name: str, reference: Trajectory, plan: RolloutPlan, progress: Progress
) -> RolloutResult:
    """One rollout. Its frames are freed on return, before the next rollout needs the memory."""
    began = time.perf_counter()
    trajectory = _advance(propagator, plan.n_steps, name, progress)
    wall_s = time.perf_counter() - began
    evaluation = evaluate_system({name: trajectory}, reference, propagator.system, energy_every=plan.energy_every)
    return RolloutResult(
        metrics=evaluation.scores[name] | rollout_counts(propagator),
        curves=evaluation.curves,
        diverged_at=dict(propagator.diverged_at),
        n_replicas=trajectory.n_replicas,
        wall_s=wall_s,
    )


def _advance(propagator: Propagator, n_steps: int, name: str, progress: Progress) -> Trajectory:
    """The next frames, on the CPU, written into one buffer as they come so that memory holds them once."""
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
