from typing import Any

import pytest
import torch
from contracts.engine import EngineContract

from mlmd.propagation import EagerEngine, FrameBuffer
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState


class TestContract(EngineContract):
    @pytest.fixture
    def make_engine(self) -> Any:
        return EagerEngine


def test_a_stretch_is_differentiable(hcl_morse: Any, make_predictor: Any, reference: Any, rotating_states: Any) -> None:
    """The gradient of a final position with respect to a weight, against a central difference."""
    predictor = make_predictor(reference(hcl_morse, 60), says=0.1, noise=0.02)
    positions, velocities = rotating_states(hcl_morse, 2)

    def final() -> torch.Tensor:
        learned = LearnedKick(predictor, 2)
        learned.memory.last_update = torch.zeros(2, 1, dtype=torch.float64)
        state = MDState(0, positions, velocities)
        frames = FrameBuffer(state, first_step=0, n_steps=10)
        state, _ = EagerEngine().advance(state, learned, 10, dt_fs=hcl_morse.dt_fs, frames=frames)
        return state.positions[0, 1].norm()

    bias = predictor.network.head.bias
    (slope,) = torch.autograd.grad(final(), bias)
    step, ends = 1e-5, []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            bias += sign * step
            ends.append(float(final()))
            bias -= sign * step
    assert float(slope) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)
    assert float(slope) != 0.0
