"""``engine=cuda``: a learned stretch on a GPU, as one Triton kernel where it fits on chip, as CUDA graphs elsewhere."""

import importlib.util
import os
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mlmd.errors import ConfigError, MismatchError
from mlmd.models import VelocityPredictor
from mlmd.propagation.engines.base import count_replicas
from mlmd.propagation.engines.cuda.graphs import Play, StaticRollout, plays
from mlmd.propagation.engines.cuda.limits import why_not
from mlmd.propagation.engines.cuda.shapes import KernelShapes
from mlmd.propagation.engines.eager import EagerEngine
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState

if TYPE_CHECKING:
    from mlmd.propagation.engines.cuda.launch import KernelStretch

INTERPRETER_SHARED_BYTES = 232_448
"""Shared memory that Triton's interpreter stands in for: what a Hopper GPU grants a program."""


class CudaEngine:
    """Runs learned stretches on a GPU without a host synchronisation.

    Its trajectory is that of the eager engine up to float32 round-off in the network. The first stretch of a rollout
    compiles the kernel (kept on disk by Triton) or captures the graphs; later ones do not, whatever their length. How
    fast it is must be timed on a GPU. With TRITON_INTERPRET=1 the kernel runs on the CPU, slowly, for tests.

    Args:
        kernel: use the Triton kernel where it covers the predictor; otherwise always graphs.

    Attributes:
        description: how the bound rollout runs, and why; the name before one is bound.
    """

    name = "cuda"

    def __init__(self, *, kernel: bool = True) -> None:
        self.kernel = kernel
        self.description = self.name
        self._eager = EagerEngine()

    def bind(self, learned: LearnedKick) -> None:
        """Serve the rollout of ``learned`` from now on; weights are read here, once.

        Raises:
            ConfigError: the predictor is not on a GPU, or there is no Triton for the kernel.
        """
        predictor = learned.predictor
        device = learned.memory.network[0].device
        interpreted = os.environ.get("TRITON_INTERPRET") == "1"
        if device.type != "cuda" and not interpreted:
            raise ConfigError(f"engine=cuda needs a GPU, the predictor is on {device}: use device=cuda or engine=auto")
        self._predictor = predictor
        self._kernel_stretch: KernelStretch | None = None
        self._rollout: StaticRollout | None = None
        refusal = self._refusal(predictor, device)
        route = "one Triton kernel a stretch" if refusal is None else f"CUDA graphs, because {refusal}"
        self.description = f"{self.name}, {count_replicas(learned.n_replicas)}, {route}"
        if refusal is None:
            self._kernel_stretch = _kernel_stretch(learned, device)

    def _refusal(self, predictor: VelocityPredictor, device: torch.device) -> str | None:
        if not self.kernel:
            return "they were asked for"
        if importlib.util.find_spec("triton") is None:
            raise ConfigError("engine=cuda needs triton: install it (pip install triton) or use engine=eager")
        shared = INTERPRETER_SHARED_BYTES
        if device.type == "cuda":
            properties = torch.cuda.get_device_properties(device)
            shared = getattr(properties, "shared_memory_per_block_optin", properties.shared_memory_per_block)
        return why_not(predictor, shared_bytes=shared)

    @torch.no_grad()
    def advance(
        self, state: MDState, learned: LearnedKick, n_steps: int, *, dt_fs: float, frames: FrameBuffer
    ) -> tuple[MDState, Tensor]:
        """The state after ``n_steps`` learned steps, and the last kicks."""
        if dt_fs != self._predictor.spec.dt_fs:
            raise MismatchError(f"the predictor has learned dt_fs = {self._predictor.spec.dt_fs}, not {dt_fs}")
        if self._kernel_stretch is not None:
            return self._kernel_stretch.advance(state, learned.memory, n_steps, frames)
        if self._rollout is None:
            self._rollout = StaticRollout(self._predictor, state, learned.memory, dt_fs=dt_fs)
            self._plays: list[Play] = plays(self._rollout, state, learned.memory)
        return self._rollout.run(state, learned.memory, n_steps, frames=frames, by=self._plays)

    @torch.no_grad()
    def follow(self, state: MDState, learned: LearnedKick, kick: Tensor) -> Tensor | None:
        """The kick that would have been learned; the memory takes the true one."""
        if self._kernel_stretch is None or not self._predictor.has_complete_input(learned.memory):
            return self._eager.follow(state, learned, kick)
        return self._kernel_stretch.follow(state, learned.memory, kick)

    def sync_memory(self, learned: LearnedKick) -> None:
        """Nothing to do: the memory is up to date after every call."""


def _kernel_stretch(learned: LearnedKick, device: torch.device) -> "KernelStretch":
    # Triton is imported here and in what this imports, so that nothing else needs it.
    from mlmd.propagation.engines.cuda.launch import KernelStretch

    predictor, n_processors = learned.predictor, 1
    if device.type == "cuda":
        n_processors = torch.cuda.get_device_properties(device).multi_processor_count
    shapes = KernelShapes.of(predictor, n_replicas=learned.n_replicas, n_processors=n_processors)
    return KernelStretch(predictor, shapes)
