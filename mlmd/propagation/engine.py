"""Engines advance a learned stretch: kick, drift, kick, drift, with no force call between."""

from typing import Protocol

from torch import Tensor

from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState

Frames = list[tuple[MDState, Tensor]]
"""The states of consecutive steps, each with the velocity change it took, [replica, atom, xyz], A/fs."""


class Engine(Protocol):
    """Advances ``n_steps`` learned steps; every engine gives the trajectory of ``EagerEngine`` within a tolerance."""

    def advance(self, state: MDState, learned: LearnedKick, n_steps: int, *, dt_fs: float) -> tuple[MDState, Frames]:
        """The state after the stretch, and its steps."""
        ...


class EagerEngine:
    """The plain loop: one PyTorch call an operation, any device; the reference for every other engine."""

    def advance(self, state: MDState, learned: LearnedKick, n_steps: int, *, dt_fs: float) -> tuple[MDState, Frames]:
        """The state after ``n_steps`` learned steps, and those steps."""
        frames: Frames = []
        for _ in range(n_steps):
            kick = learned.kick(state)
            assert kick is not None  # the propagator starts ML only once the memory has complete inputs
            learned.accept()
            frames.append((state, kick))
            state = drift(state, kick, dt_fs=dt_fs)
        return state, frames


def drift(state: MDState, kick: Tensor, *, dt_fs: float) -> MDState:
    """The next state: v_{n+1/2} = v_{n-1/2} + kick, r_{n+1} = r_n + dt v_{n+1/2}."""
    velocities = state.velocities + kick
    return MDState(state.step + 1, state.positions + dt_fs * velocities, velocities)
