"""Fills the memory of a predictor from known steps, without a force call."""

import torch

from mlmd.models import VelocityPredictor
from mlmd.propagation.engines import Engine
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState, Trajectory


@torch.no_grad()
def follow_known(predictor: VelocityPredictor, known: Trajectory, engine: Engine) -> LearnedKick:
    """A learned kick whose memory has read known steps, ready for the step after the last of them.

    Args:
        predictor: trained predictor, on the device of the frames.
        known: consecutive frames (stride 1), [replica, time, atom, xyz], whose kicks are those that were taken.
        engine: serves the learned kick from then on.
    """
    learned = LearnedKick(predictor, known.n_replicas)
    engine.bind(learned)
    frames = (known.positions, known.velocities_before, known.kicks)
    for time in range(len(known)):
        positions, velocities, kick = (values[:, time].contiguous() for values in frames)
        engine.follow(MDState(int(known.steps[time]), positions, velocities), learned, kick)
    return learned
