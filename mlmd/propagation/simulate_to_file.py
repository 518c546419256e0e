"""Propagates a run into a file with regular saves, from which a killed run is resumed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from mlmd.io.trajectory_writer import TrajectoryWriter, extend, finished_metadata
from mlmd.progress import StepBar, say
from mlmd.propagation import Dynamics, Propagator, rollout_counts

PIECE_STEPS, PIECE_BYTES = 5000, 64 * 2**20
"""Steps that are propagated at once, or fewer where their frames are larger; progress is shown after each piece."""

SAVE_EVERY_S = 10.0
"""A save waits for the disk, some milliseconds; a killed run loses no more than this time, or one piece."""

SAVE_EVERY_STEPS = 200
"""Where the Hamiltonian remembers earlier geometries it has to forget them at a save, so that a resumed run is the
uninterrupted one; then saves follow the number of steps, not the clock."""


@dataclass(frozen=True)
class RecordingPlan:
    """What is recorded.

    Attributes:
        n_steps: MD steps in all.
        every: steps between two frames.
        chunk_steps: steps between two saves; None saves every ten seconds.
        identity_of: text that is the same exactly for the same run, by its number of MD steps.
        resumes: whether a finished recording is taken as it is, and a shorter one as the beginning.
        keeps_end: whether the last state is left beside the file, so that the recording can be made longer.
    """

    n_steps: int
    every: int
    chunk_steps: int | None
    identity_of: Callable[[int], str]
    resumes: bool
    keeps_end: bool = True

    @property
    def n_frames(self) -> int:
        """Frames of the whole run: the steps that are divisible by ``every``."""
        return -(-self.n_steps // self.every)

    def piece_steps(self, numbers_per_frame: int) -> int:
        """Steps that are propagated at once; a frame holds so many numbers three times."""
        n_frames = max(1, PIECE_BYTES // (3 * 8 * numbers_per_frame))
        return min(self.chunk_steps or PIECE_STEPS, n_frames * self.every)


def record(
    dynamics: Dynamics,
    initial: tuple[Tensor, Tensor],
    path: Path,
    plan: RecordingPlan,
    *,
    name: str,
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """Propagate to the end and leave a trajectory file.

    Args:
        dynamics: what is propagated and how.
        initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
        path: the file.
        plan: what is recorded.
        name: of the run, for the progress bar.
        metadata: stored in the file.

    Returns:
        What is stored in the file beside the frames: the metadata, the counts of force calls and which replica was
        found diverged at which step.

    Raises:
        DataError: the file cannot be written, or what was recorded belongs to another run or is damaged.
    """
    identity = plan.identity_of(plan.n_steps)
    if plan.resumes:
        extend(
            path,
            identity=identity,
            n_frames=plan.n_frames,
            identity_then=lambda state: plan.identity_of(state["propagator"]["step"]),
        )
        finished = finished_metadata(path, identity=identity, keeps_end=plan.keeps_end)
        if finished is not None:
            return finished
    recorder = TrajectoryWriter(path, identity=identity, n_frames=plan.n_frames, keeps_end=plan.keeps_end)
    committed = recorder.restart_state()
    if committed is None:
        propagator = Propagator.begin(dynamics, *initial)
    else:
        propagator, metadata = Propagator.restore(dynamics, committed["propagator"]), committed["metadata"]
        say(f"resuming {name} at step {propagator.state.step} of {plan.n_steps}")
    _advance(propagator, recorder, plan, name=name, metadata=metadata)
    outcome = {"counts": rollout_counts(propagator), "diverged_at": dict(propagator.diverged_at)}
    recorder.finish({**metadata, **outcome})
    return {**metadata, **outcome}


def _advance(
    propagator: Propagator, recorder: TrajectoryWriter, plan: RecordingPlan, *, name: str, metadata: Mapping[str, Any]
) -> None:
    if propagator.dynamics.remembers and plan.chunk_steps is None:
        plan = replace(plan, chunk_steps=SAVE_EVERY_STEPS)
    bar, piece = StepBar(), plan.piece_steps(propagator.state.positions.numel())
    saved_step, saved_at = propagator.state.step, time.monotonic()
    try:
        while (step := propagator.state.step) < plan.n_steps:
            # A save is due after whole chunks.
            until = plan.n_steps if plan.chunk_steps is None else saved_step + plan.chunk_steps
            frames = propagator.advance(min(piece, until - step, plan.n_steps - step), every=plan.every)
            recorder.append(frames.to("cpu"))
            step = propagator.state.step
            waited = time.monotonic() - saved_at > SAVE_EVERY_S if plan.chunk_steps is None else step >= until
            if waited or step == plan.n_steps:
                propagator.dynamics.forget()
                recorder.commit({"propagator": propagator.state_dict(), "metadata": dict(metadata)})
                saved_step, saved_at = step, time.monotonic()
            bar(name, step, plan.n_steps)
    finally:
        bar.close()
