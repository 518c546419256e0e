"""``engine=eager``: plain PyTorch, one call an operation."""

import torch
from torch import Tensor

from mlmd.propagation.engines.base import N_PAST_KICKS, drift
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState


class EagerEngine:
    """The reference for every other engine: any device, any decomposition, differentiable."""

    name = "eager"
    description = "eager"

    def bind(self, learned: LearnedKick) -> None:
        """Nothing to prepare: the predictor is called as it is."""

    def advance(
        self, state: MDState, learned: LearnedKick, n_steps: int, *, dt_fs: float, frames: FrameBuffer
    ) -> tuple[MDState, Tensor]:
        """The state after ``n_steps`` learned steps, and the last kicks."""
        kicks: list[Tensor] = []
        for _ in range(n_steps):
            kick = learned.kick(state)
            assert kick is not None  # the propagator starts ML only once the memory has complete inputs
            learned.accept()
            frames.record(state, kick)
            state = drift(state, kick, dt_fs=dt_fs)
            kicks = [kick, *kicks[: N_PAST_KICKS - 1]]
        return state, torch.stack(kicks)

    def follow(self, state: MDState, learned: LearnedKick, kick: Tensor) -> Tensor | None:
        """The kick that would have been learned; the memory takes the true one."""
        predicted = learned.kick(state)
        learned.accept(kick)
        return predicted

    def sync_memory(self, learned: LearnedKick) -> None:
        """Nothing to do: the memory is always up to date."""
