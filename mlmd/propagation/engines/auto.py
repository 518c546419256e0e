"""``engine=auto``: the fastest engine for the device, as measured by experiments/speed."""

import importlib.util

from torch import Tensor

from mlmd.propagation.engines.base import Engine
from mlmd.propagation.engines.eager import EagerEngine
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState


class AutoEngine:
    """Chooses when it is bound: on a GPU ``cuda``, on the CPU ``numba``, elsewhere ``eager``.

    On the CPU the compiled engine was faster than PyTorch for a diatomic at every size measured, from one replica to
    16,384 and from 32 to 128 units. A decomposition without a compiled form runs eagerly.

    Args:
        threads: threads of the CPU engine; PyTorch's number where None.

    Attributes:
        chosen: the engine at work.
    """

    name = "auto"

    def __init__(self, *, threads: int | None = None) -> None:
        self.threads = threads
        self.chosen: Engine = EagerEngine()
        self.description = self.name

    def bind(self, learned: LearnedKick) -> None:
        """Choose and bind."""
        self.chosen, why = self._choose(learned)
        self.chosen.bind(learned)
        self.description = f"auto took {self.chosen.description} {why}"

    def _choose(self, learned: LearnedKick) -> tuple[Engine, str]:
        """An engine, and why it was taken."""
        device = learned.predictor.network.head.weight.device
        if device.type == "cpu":
            from mlmd.propagation.engines.cpu import NumbaEngine, has_compiled_form

            if has_compiled_form(learned.predictor.decomposition):
                return NumbaEngine(threads=self.threads), "on the CPU"
            return EagerEngine(), "since this decomposition has no compiled form"
        if device.type == "cuda" and importlib.util.find_spec("triton") is not None:
            from mlmd.propagation.engines.cuda import CudaEngine

            return CudaEngine(), "on the GPU"
        return EagerEngine(), f"on {device}"

    def advance(
        self, state: MDState, learned: LearnedKick, n_steps: int, *, dt_fs: float, frames: FrameBuffer
    ) -> tuple[MDState, Tensor]:
        """As the chosen engine does."""
        return self.chosen.advance(state, learned, n_steps, dt_fs=dt_fs, frames=frames)

    def follow(self, state: MDState, learned: LearnedKick, kick: Tensor) -> Tensor | None:
        """As the chosen engine does."""
        return self.chosen.follow(state, learned, kick)

    def sync_memory(self, learned: LearnedKick) -> None:
        """As the chosen engine does."""
        self.chosen.sync_memory(learned)
