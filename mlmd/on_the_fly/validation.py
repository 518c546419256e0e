"""The validation of a predictor before it takes over: it has to propagate known steps by itself.

From many starts in the held-out steps it propagates without a force call, and its velocities are compared with the
known ones. The starts are one batch, so the test costs about as much as one rollout of that many steps.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.models import VelocityPredictor
from mlmd.on_the_fly.plan import OnTheFlyPlan
from mlmd.propagation import Engine, FrameBuffer, follow_known
from mlmd.state import MDState, Trajectory

MAX_STARTS = 8
"""Starts per replica; more say little more."""


@dataclass(frozen=True)
class Verdict:
    """What the test found.

    Attributes:
        error: largest error of velocities over starts and steps, relative to their root mean square; infinite where a
            rollout left the numbers.
        passes: whether it lies within what is allowed.
    """

    error: float
    passes: bool

    def words(self, number: int, plan: OnTheFlyPlan, *, is_last: bool) -> str:
        """The result in one sentence.

        Args:
            number: of the training.
            plan: of the run.
            is_last: whether no further training follows one that did not pass.
        """
        found = f"training {number}: error {100 * self.error:.3g} % over {plan.validation_steps} known steps"
        if self.passes:
            return f"{found}, ML takes over"
        goes_on = "goes on to the end" if is_last else "goes on"
        return f"{found}, {100 * plan.validation_error:.3g} % is allowed; the Hamiltonian {goes_on}"


@torch.no_grad()
def try_predictor(
    predictor: VelocityPredictor, known: Trajectory, engine: Engine, *, n_steps: int, allowed: float, masses: Tensor
) -> Verdict:
    """Propagate from known states without forces, and compare.

    Args:
        predictor: trained predictor, on the device of the frames.
        known: steps that it was not trained on, [replica, time, atom, xyz], stride 1.
        engine: advances the rollouts.
        n_steps: steps of each.
        allowed: largest relative error that passes.
        masses: [atom], u, which weigh the velocities.

    Returns:
        Error and verdict. The error at a step is that of all atoms of a rollout, sqrt(sum m |v - v_known|^2), over the
        root mean square of the known one.
    """
    n_history = predictor.n_history
    room = len(known) - n_history - n_steps
    starts = sorted({round(i * room / (MAX_STARTS - 1)) for i in range(MAX_STARTS)})
    read = _side_by_side(known, starts, n_history)
    true = _side_by_side(known, [start + n_history for start in starts], n_steps)
    state = MDState(n_history, true.positions[:, 0].contiguous(), true.velocities_before[:, 0].contiguous())
    frames = FrameBuffer(state, first_step=n_history, n_steps=n_steps)
    learned = follow_known(predictor, read, engine)
    engine.advance(state, learned, n_steps, dt_fs=predictor.spec.dt_fs, frames=frames)
    weights = masses.to(known.velocities).sqrt().unsqueeze(-1)
    difference = (frames.trajectory().velocities_after - true.velocities_after) * weights
    size = (true.velocities_after * weights).flatten(2).square().sum(dim=-1).mean().sqrt()
    errors = difference.flatten(2).norm(dim=-1) / size
    error = float(torch.where(errors.isfinite(), errors, torch.inf).max())
    return Verdict(error, error <= allowed)


def _side_by_side(known: Trajectory, starts: list[int], n_frames: int) -> Trajectory:
    """Equally long parts of a trajectory as replicas, those of one start together."""
    parts = [known.frames(start, start + n_frames) for start in starts]
    values = (torch.cat([getattr(part, name) for part in parts]) for name in ("positions", "velocities", "kicks"))
    return Trajectory(torch.arange(n_frames), *values)
