"""The training loss: squared error of every stretch, relative to the size of its targets."""

from torch import Tensor

from mlmd.errors import ConfigError


class SequenceLoss:
    """Mean over stretches of <(prediction - target)^2> / (<target^2> + floor^2).

    Targets have unit variance over the training set, but a replica with little vibration has small ones. An unweighted
    error leaves such replicas a large relative error, which heats or cools them along a rollout; an energy error is
    relative, so the loss is too.

    Args:
        floor: size of a stretch's targets below which the error counts as absolute; None for the plain mean squared
            error.

    Raises:
        ConfigError: the floor is not positive.

    >>> import torch
    >>> SequenceLoss(None)(torch.ones(1, 4, 1), torch.zeros(1, 4, 1)).item()
    1.0
    """

    def __init__(self, floor: float | None) -> None:
        if floor is not None and not floor > 0:
            raise ConfigError(f"loss.floor = {floor} must be positive, or null for the plain mean squared error")
        self.floor = floor

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of outputs and targets [stretch, time, output]."""
        error = (prediction - target).square().mean(dim=(1, 2))
        if self.floor is not None:
            error = error / (target.square().mean(dim=(1, 2)) + self.floor**2)
        return error.mean()
