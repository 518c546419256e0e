"""The contract of engines, which advance a learned stretch from one injection to the next."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState

N_PAST_KICKS = 3
"""Kicks kept beside the present one, for the backward difference of the energy anchor."""


@runtime_checkable
class Engine(Protocol):
    """Advances learned steps; every engine gives the trajectory of the eager one within a stated tolerance.

    Between two calls an engine may keep the predictor's memory in another form; ``sync_memory`` brings
    ``learned.memory`` up to date, so that a run saved with one engine can be continued with another. States are never
    changed in place.

    Attributes:
        name: name by which it is chosen.
        description: engine that the bound rollout uses, for the user; the name if no rollout is bound.
    """

    name: str

    @property
    def description(self) -> str: ...  # noqa: D102 - described with the attributes

    def bind(self, learned: LearnedKick) -> None:
        """Prepare for the rollout of ``learned``; the weights are read only here."""
        ...

    def advance(
        self, state: MDState, learned: LearnedKick, n_steps: int, *, dt_fs: float, frames: FrameBuffer
    ) -> tuple[MDState, Tensor]:
        """Advance ``n_steps`` learned steps, with no force call between.

        Args:
            state: positions r_n and velocities v_{n-1/2}.
            learned: predictor and its memory, which advances with the state.
            n_steps: steps to take, at least 1.
            dt_fs: time step, fs.
            frames: takes the frames of the stretch.

        Returns:
            The state after the stretch, and its last kicks, newest first, [min(n_steps, 3), replica, atom, xyz], A/fs.
        """
        ...

    def follow(self, state: MDState, learned: LearnedKick, kick: Tensor) -> Tensor | None:
        """Let the memory read a step whose kick is Hamiltonian.

        Args:
            state: positions r_n and velocities v_{n-1/2} of that step.
            learned: predictor and its memory.
            kick: the Hamiltonian kick of the step, without any correction, [replica, atom, xyz], A/fs.

        Returns:
            The kick that would have been learned, [replica, atom, xyz], A/fs; None while the memory has no complete
            input yet.
        """
        ...

    def sync_memory(self, learned: LearnedKick) -> None:
        """Bring ``learned.memory`` up to date."""
        ...


def count_replicas(n_replicas: int) -> str:
    """In words.

    >>> count_replicas(1)
    '1 replica'
    """
    return "1 replica" if n_replicas == 1 else f"{n_replicas:,} replicas"


def drift(state: MDState, kick: Tensor, *, dt_fs: float) -> MDState:
    """The next state: v_{n+1/2} = v_{n-1/2} + kick, r_{n+1} = r_n + dt v_{n+1/2}."""
    velocities = state.velocities + kick
    return MDState(state.step + 1, state.positions + dt_fs * velocities, velocities)
