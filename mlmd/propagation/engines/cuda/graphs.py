# mypy: disable-error-code="no-untyped-call"
# PyTorch declares no types for its streams.
"""The eager step as a CUDA graph, replayed once a step: any predictor, no launch from Python for each operation."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from mlmd.models import PredictorState, VelocityPredictor, WindowMemory
from mlmd.propagation.engines.base import N_PAST_KICKS
from mlmd.propagation.frames import FrameBuffer
from mlmd.state import MDState

Play = Callable[[], object]
"""Takes one step on the buffers: a graph's replay."""


class StaticRollout:
    """A rollout in buffers that never move, and a step that reads and writes nothing else.

    Works on any device; only ``capture`` needs a GPU.

    Args:
        predictor: on the device of the states.
        state: what the buffers are made like.
        memory: with complete inputs.
        dt_fs: time step, fs.
    """

    def __init__(self, predictor: VelocityPredictor, state: MDState, memory: PredictorState, *, dt_fs: float) -> None:
        assert memory.last_update is not None  # the propagator starts ML only once the memory has complete inputs
        self.predictor = predictor
        self.dt_fs = dt_fs
        self.positions = torch.empty_like(state.positions)
        self.velocities = torch.empty_like(state.velocities)
        self.kicks = state.positions.new_zeros(N_PAST_KICKS, *state.positions.shape)
        self.hidden, self.cell = (torch.empty_like(part) for part in memory.network)
        self.last_update = torch.empty_like(memory.last_update)
        self.coordinates = [torch.empty_like(part) for part in memory.coordinates]
        self.past = [torch.empty_like(part) for part in memory.past]
        # The staggered states of a window take turns in giving the output, one at each step of a round.
        self.n_phases = predictor.memory.length if isinstance(predictor.memory, WindowMemory) else 1

    def load(self, state: MDState, memory: PredictorState) -> None:
        """Fill the buffers."""
        self.positions.copy_(state.positions)
        self.velocities.copy_(state.velocities)
        self._hold(memory)

    def _hold(self, memory: PredictorState) -> None:
        assert memory.last_update is not None
        # Each buffer may be the source of the next, and the newest comes first.
        for buffers, parts in ((self.coordinates, memory.coordinates), (self.past, memory.past)):
            for buffer, part in zip(reversed(buffers), reversed(parts), strict=True):
                buffer.copy_(part)
        for buffer, part in zip((self.hidden, self.cell), memory.network, strict=True):
            buffer.copy_(part)
        self.last_update.copy_(memory.last_update)

    @torch.no_grad()
    def step(self, phase: int) -> None:
        """One learned step on the buffers, by the operations of the eager engine; a graph records them."""
        decomposition = self.predictor.decomposition
        network = (self.hidden, self.cell)
        memory = PredictorState(phase, network, self.last_update, list(self.coordinates), list(self.past))
        frame = decomposition.frame(self.positions, self.velocities)
        components = self.predictor.predict(frame, self.positions, self.velocities, memory)
        assert components is not None  # the inputs are complete
        memory.last_update = components
        self._hold(memory)
        for i in range(N_PAST_KICKS - 1, 0, -1):
            self.kicks[i].copy_(self.kicks[i - 1])
        self.kicks[0].copy_(decomposition.decode(frame, components))
        self.velocities.add_(self.kicks[0])
        self.positions.add_(self.velocities, alpha=self.dt_fs)

    def run(
        self, state: MDState, memory: PredictorState, n_steps: int, *, frames: FrameBuffer, by: list[Play]
    ) -> tuple[MDState, Tensor]:
        """Advance ``n_steps`` from ``state``, by ``by[phase]()`` each; the memory's tensors are then the buffers."""
        self.load(state, memory)
        for i in range(n_steps):
            frame, rest = divmod(state.step + i - frames.first_frame, frames.every)
            if rest == 0:
                frames.positions[frame].copy_(self.positions)
                frames.velocities[frame].copy_(self.velocities)
            by[(memory.n_seen + i) % self.n_phases]()
            if rest == 0:
                frames.kicks[frame].copy_(self.kicks[0])
        memory.n_seen += n_steps
        memory.network = (self.hidden, self.cell)
        memory.last_update = self.last_update
        memory.coordinates = list(self.coordinates)
        memory.past = list(self.past)
        after = MDState(state.step + n_steps, self.positions.clone(), self.velocities.clone())
        return after, self.kicks[: min(n_steps, N_PAST_KICKS)].clone()


def plays(rollout: StaticRollout, state: MDState, memory: PredictorState) -> list[Play]:
    """What takes the step of each phase: graphs on a GPU, plain calls elsewhere. The buffers are left spent."""
    if rollout.positions.device.type == "cuda":
        rollout.load(state, memory)
        return capture(rollout)
    return [partial(rollout.step, phase) for phase in range(rollout.n_phases)]


def capture(rollout: StaticRollout) -> list[Play]:
    """A graph for every phase of the step of a loaded rollout, on the GPU of its buffers."""
    device = rollout.positions.device
    with torch.cuda.device(device):
        # Libraries set themselves up on first use, which a graph cannot record.
        aside = torch.cuda.Stream(device)
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):
            for _ in range(3):
                rollout.step(0)
        torch.cuda.current_stream(device).wait_stream(aside)
        graphs = [torch.cuda.CUDAGraph() for _ in range(rollout.n_phases)]
        for phase, graph in enumerate(graphs):
            # One pool serves all: nothing but the buffers outlives a replay.
            with torch.cuda.graph(graph, pool=graphs[0].pool() if phase else None):
                rollout.step(phase)
    return [graph.replay for graph in graphs]
