"""``engine=numba``: the engine contract around the compiled stretch."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.models import PredictorState
from mlmd.propagation.engines.base import N_PAST_KICKS, count_replicas
from mlmd.propagation.engines.cpu.geometry import compiled_geometry
from mlmd.propagation.engines.cpu.kernel import Motion, NarrowTile, Run, SingleReplica, WideTile, stretch_kernel
from mlmd.propagation.engines.cpu.lanes import LANES
from mlmd.propagation.engines.cpu.layout import Scratch, hold, kernel_sizes, make_held, make_scratch, sync_memory
from mlmd.propagation.engines.cpu.packing import pack_scales, pack_weights
from mlmd.propagation.engines.eager import EagerEngine
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState

WIDTHS = {LANES + 1: 2 * LANES, 6: LANES}
"""Replicas in a tile, by the least number of replicas that fills it well; fewer go one after the other.

A tile costs the same however few of its lanes are in use: for 2 x 32 one of 16 replicas takes 5.3 microseconds a step
and a single replica 0.9 (experiments/speed, on AVX-512).
"""

_EAGER = EagerEngine()

_NOTHING = np.zeros((0, 0, 0))
_NO_FRAMES = np.zeros((0, 0, 0, 0))


class NumbaEngine:
    """Network, decode, kick, drift and encode of a whole stretch in one compiled call on the CPU.

    The network is float32 and everything else float64, as in the eager engine; the two differ by the order of float32
    sums and by a tanh of 3e-7. The first use compiles (some seconds, once a machine; kept in Numba's cache on disk).

    Args:
        threads: threads over which replicas are shared out; PyTorch's number where None. The result does not depend
            on it.
    """

    name = "numba"

    def __init__(self, *, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ConfigError(f"engine.threads = {threads} must be at least 1")
        self.threads = threads
        self.description = self.name

    def bind(self, learned: LearnedKick) -> None:
        """Pack the weights.

        Raises:
            ConfigError: the predictor is not on the CPU, or its decomposition has no compiled form.
        """
        predictor = learned.predictor
        device = predictor.network.head.weight.device
        if device.type != "cpu":
            raise ConfigError(f"engine=numba runs on the CPU, the predictor is on {device}; use engine=cuda or eager")
        n_replicas = learned.n_replicas
        self._width = next((width for least, width in WIDTHS.items() if n_replicas >= least), 1)
        self._mode = {1: SingleReplica, LANES: NarrowTile, 2 * LANES: WideTile}[self._width]()
        self._geometry = compiled_geometry(predictor.decomposition)
        self._sizes = kernel_sizes(predictor, self._width)
        self._weights = pack_weights(predictor, self._sizes, self._width)
        self._scales = pack_scales(predictor)
        self._kernel = stretch_kernel()
        n_tiles = -(-n_replicas // self._width)
        n_threads = min(self.threads or torch.get_num_threads(), n_tiles)
        self._held = make_held(self._sizes, n_tiles=n_tiles, width=self._width)
        self._memory: PredictorState | None = None  # whose truth the tiles hold
        self._scratch = [make_scratch(self._sizes, self._width) for _ in range(n_threads)]
        self._shares = list(pairwise(n_tiles * i // n_threads for i in range(n_threads + 1)))
        self._pool = ThreadPoolExecutor(n_threads - 1) if n_threads > 1 else None
        threads = "1 thread" if n_threads == 1 else f"{n_threads} threads"
        self.description = f"numba, {count_replicas(n_replicas)}, {threads}"

    def advance(
        self, state: MDState, learned: LearnedKick, n_steps: int, *, dt_fs: float, frames: FrameBuffer
    ) -> tuple[MDState, Tensor]:
        """The state after ``n_steps`` learned steps, and the last kicks."""
        frames.require(state.step, n_steps)
        positions, velocities = state.positions.clone(), state.velocities.clone()
        kicks = positions.new_empty(min(n_steps, N_PAST_KICKS), *positions.shape)
        kept = (frames.positions.numpy(), frames.velocities.numpy(), frames.kicks.numpy())
        motion = Motion(positions.numpy(), velocities.numpy(), kicks.numpy(), _NOTHING, *kept)
        run = Run(dt_fs, state.step, n_steps, learned.memory.n_seen, frames.first_frame, frames.every)
        self._stretch(learned, motion, run)
        return MDState(state.step + n_steps, positions, velocities), kicks

    def follow(self, state: MDState, learned: LearnedKick, kick: Tensor) -> Tensor | None:
        """The kick that would have been learned; the memory takes the true one."""
        memory = learned.memory
        if not learned.predictor.has_complete_input(memory):
            # The first steps of a run have no complete input yet: there is nothing for the kernel to read.
            return _EAGER.follow(state, learned, kick)
        predicted = torch.empty_like(state.positions)
        moving = (state.positions.numpy(), state.velocities.numpy(), predicted.unsqueeze(0).numpy())
        motion = Motion(*moving, kick.contiguous().numpy(), _NO_FRAMES, _NO_FRAMES, _NO_FRAMES)
        self._stretch(learned, motion, Run(0.0, state.step, 1, memory.n_seen, 0, 1))
        return predicted

    def sync_memory(self, learned: LearnedKick) -> None:
        """Bring the memory of ``learned`` up to date with the tiles."""
        if self._memory is learned.memory:
            sync_memory(self._held, learned.memory, self._sizes, self._width)

    def _stretch(self, learned: LearnedKick, motion: Motion, run: Run) -> None:
        """Let every thread advance its share of the tiles; the last share is this thread's own."""
        if self._memory is not learned.memory:
            hold(learned.memory, self._held, self._sizes, self._width)
            self._memory = learned.memory

        def work(scratch: Scratch, first: int, last: int) -> None:
            bound = (self._mode, self._geometry, self._sizes, self._weights, self._scales, self._held)
            self._kernel(*bound, scratch, motion, run, first, last)

        jobs = [(scratch, *share) for scratch, share in zip(self._scratch, self._shares, strict=True)]
        others = [self._pool.submit(work, *job) for job in jobs[:-1]] if self._pool is not None else []
        work(*jobs[-1])
        for other in others:
            other.result()
        learned.memory.n_seen += run.n_steps
