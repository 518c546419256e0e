"""Which predictors the Triton kernel covers; the rest runs through CUDA graphs."""

import torch

from mlmd.models import VelocityPredictor, WindowMemory
from mlmd.propagation.engines.cuda.shapes import KINDS, KernelShapes

LARGEST_WEIGHT = 6e4
"""Weights are split into float16 numbers, which end at 65,504."""

MOST_INPUTS = 64
"""Numbers read each step, nils included; 3uR5 in the lab frame."""


def why_not(predictor: VelocityPredictor, *, shared_bytes: int) -> str | None:
    """Why the kernel does not cover a predictor, or None where it does.

    Args:
        predictor: on any device.
        shared_bytes: shared memory that the GPU grants a program.
    """
    weights = [parameter.detach() for parameter in predictor.network.lstm.parameters()]
    if type(predictor).predict is not VelocityPredictor.predict:
        return f"{type(predictor).__name__} predicts in its own way"
    if type(predictor.decomposition) not in KINDS:
        return f"{type(predictor.decomposition).__name__} is not written in it"
    if len(predictor.spec.masses_u) != 2:
        return f"it is for two atoms, this molecule has {len(predictor.spec.masses_u)}"
    if any(weight.dtype != torch.float32 for weight in weights):
        return "the network is not float32"
    if predictor.spec.hidden_size > 64:
        return f"hidden_size = {predictor.spec.hidden_size} is above 64"
    if predictor.spec.history > 1:
        return f"it reads one pair of velocity and update, this predictor {predictor.spec.history}"
    if isinstance(predictor.memory, WindowMemory) and predictor.memory.length == 1:
        return "a window of one step is a state that it would carry"
    if isinstance(predictor.memory, WindowMemory) and predictor.memory.length > KernelShapes.largest_block:
        return f"a window of {predictor.memory.length} steps is longer than {KernelShapes.largest_block}"
    shapes = KernelShapes.of(predictor)
    if shapes.n_inputs > MOST_INPUTS:
        return f"it reads at most {MOST_INPUTS} numbers a step"
    if shapes.shared_bytes > shared_bytes:
        return f"the weights take {shapes.shared_bytes} bytes on chip, the GPU grants {shared_bytes}"
    if any(not bool((weight.abs() < LARGEST_WEIGHT).all()) for weight in weights):
        return f"a weight is not below {LARGEST_WEIGHT:g}"
    return None
