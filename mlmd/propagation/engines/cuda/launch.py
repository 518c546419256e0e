# mypy: disable-error-code="no-untyped-call"
# PyTorch declares no types for its device contexts.
"""Starts the Triton kernel: one launch a stretch, nothing read back."""

from typing import Any

import torch
from torch import Tensor

from mlmd.models import PredictorState, VelocityPredictor
from mlmd.propagation.engines.base import N_PAST_KICKS
from mlmd.propagation.engines.cuda.kernel import stretch
from mlmd.propagation.engines.cuda.shapes import KernelShapes
from mlmd.propagation.engines.cuda.weights import pack
from mlmd.propagation.frames import FrameBuffer
from mlmd.state import MDState


class KernelStretch:
    """Learned stretches of one rollout through the kernel.

    Args:
        predictor: on the device of the states, covered by the kernel.
        shapes: its sizes.
    """

    def __init__(self, predictor: VelocityPredictor, shapes: KernelShapes) -> None:
        self.shapes = shapes
        self.weights = pack(predictor, shapes)
        self.n_coordinates = predictor.decomposition.n_coordinates

    def advance(
        self, state: MDState, memory: PredictorState, n_steps: int, frames: FrameBuffer
    ) -> tuple[MDState, Tensor]:
        """Advance ``n_steps``; the state after them and the last kicks, newest first."""
        shape = state.positions.shape
        # Not like the state's own tensors, which need not be contiguous.
        positions, velocities = (state.positions.new_empty(shape) for _ in range(2))
        after = MDState(state.step + n_steps, positions, velocities)
        kicks = state.positions.new_empty(min(n_steps, N_PAST_KICKS), *shape)
        self._launch(state, memory, n_steps, state.velocities, after, kicks, frames)
        return after, kicks

    def follow(self, state: MDState, memory: PredictorState, kick: Tensor) -> Tensor:
        """Read one step that takes ``kick``; what would have been learned."""
        predicted = state.positions.new_empty(state.positions.shape)
        # The kernel does not write the state after this step.
        after = MDState(state.step + 1, predicted, predicted)
        self._launch(state, memory, 1, kick, after, predicted, None)
        return predicted

    def _launch(
        self,
        state: MDState,
        memory: PredictorState,
        n_steps: int,
        given: Tensor,
        after: MDState,
        kicks: Tensor,
        frames: FrameBuffer | None,
    ) -> None:
        assert memory.last_update is not None  # the engine lets the plain predictor read incomplete inputs
        hidden, cell = (part.contiguous() for part in memory.network)
        update = memory.last_update.contiguous()
        past = torch.cat(memory.coordinates, dim=-1) if memory.coordinates else update
        network_after = torch.empty_like(hidden), torch.empty_like(cell)
        update_after, past_after = torch.empty_like(update), torch.empty_like(past)
        positions = state.positions.contiguous()
        stored: tuple[Any, ...] = (positions, positions, positions, 0, 0, 1)
        if frames is not None:
            ahead = state.step - frames.first_frame
            frame = max(0, -(-ahead // frames.every))
            until = frame * frames.every - ahead
            stored = (frames.positions, frames.velocities, frames.kicks, until, frame, frames.every)
        n_programs = -(-state.n_replicas * self.shapes.n_slots // self.shapes.block)
        with torch.cuda.device_of(positions):
            stretch[(n_programs,)](
                *(positions, state.velocities.contiguous(), given.contiguous(), hidden, cell, update, past),
                *(after.positions, after.velocities, kicks, *network_after, update_after, past_after),
                *stored[:3],
                *(self.weights.matrices, self.weights.biases, self.weights.head, self.weights.scales),
                *(n_steps, state.n_replicas, *stored[3:], memory.n_seen % self.shapes.length),
                **self.shapes.constants(),
                FOLLOWS=frames is None,
                num_warps=self.shapes.n_warps,
                num_stages=1,
                enable_fp_fusion=True,
            )
        memory.network = network_after
        memory.last_update = update_after
        memory.n_seen += n_steps
        if memory.coordinates:
            memory.coordinates = list(past_after.split(self.n_coordinates, dim=-1))
