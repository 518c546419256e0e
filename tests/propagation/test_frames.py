import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlmd.propagation import FrameBuffer
from mlmd.propagation.engines import drift
from mlmd.state import MDState


@given(first=st.integers(0, 30), n_steps=st.integers(0, 30), every=st.integers(1, 40))
def test_holds_the_steps_divisible_by_every(first: int, n_steps: int, every: int) -> None:
    state = MDState(first, torch.zeros(2, 2, 3, dtype=torch.float64), torch.zeros(2, 2, 3, dtype=torch.float64))
    buffer = FrameBuffer(state, first_step=first, n_steps=n_steps, every=every)
    for step in range(first, first + n_steps):
        kick = torch.full((2, 2, 3), float(step + 1), dtype=torch.float64)
        buffer.record(state, kick)
        state = drift(state, kick, dt_fs=0.5)
    expected = [step for step in range(first, first + n_steps) if step % every == 0]
    trajectory = buffer.trajectory()
    assert trajectory.steps.tolist() == expected
    assert trajectory.positions.shape == (2, len(expected), 2, 3)
    assert trajectory.kicks[0, :, 0, 0].tolist() == [step + 1 for step in expected]


def test_velocities_become_those_on_the_step() -> None:
    state = MDState(0, torch.zeros(1, 1, 3, dtype=torch.float64), torch.ones(1, 1, 3, dtype=torch.float64))
    buffer = FrameBuffer(state, first_step=0, n_steps=1)
    buffer.record(state, torch.full((1, 1, 3), 4.0, dtype=torch.float64))
    trajectory = buffer.trajectory()
    assert trajectory.velocities.unique().tolist() == [3.0]
    assert trajectory.velocities_before.unique().tolist() == [1.0]


@pytest.mark.parametrize(("step", "n_steps"), [(4, 1), (5, 11), (14, 2)])
def test_refuses_steps_it_does_not_cover(step: int, n_steps: int) -> None:
    state = MDState(5, torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    buffer = FrameBuffer(state, first_step=5, n_steps=10)
    buffer.require(5, 10)
    with pytest.raises(IndexError, match="leave those of the frame buffer"):
        buffer.require(step, n_steps)
