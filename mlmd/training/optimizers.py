"""Optimizers and schedules of the learning rate."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from mlmd.errors import ConfigError
from mlmd.models import StackedLSTM
from mlmd.training.soap import SOAP


@dataclass(frozen=True)
class OptimizerPlan:
    """Adam with one cycle of the learning rate (L. N. Smith, arXiv:1708.07120), or a constant rate.

    Attributes:
        learning_rate: peak (or constant) rate.
        schedule: "one_cycle" or "constant".
        weight_decay: decoupled weight decay (AdamW); 0 is Adam.
        gradient_clip: bound on the gradient norm.

    Raises:
        ConfigError: a value out of range.
    """

    learning_rate: float
    schedule: str
    weight_decay: float
    gradient_clip: float

    def __post_init__(self) -> None:
        if not self.learning_rate > 0:
            raise ConfigError(f"optimizer.learning_rate = {self.learning_rate} must be positive")
        if self.schedule not in ("one_cycle", "constant"):
            raise ConfigError(f"optimizer.schedule = {self.schedule!r} is unknown; known: 'constant', 'one_cycle'")
        if self.weight_decay < 0:
            raise ConfigError(f"optimizer.weight_decay = {self.weight_decay} must not be negative")
        if not self.gradient_clip > 0:
            raise ConfigError(f"optimizer.gradient_clip = {self.gradient_clip} must be positive")

    def optimizer(self, network: StackedLSTM) -> Optimizer:
        """The optimizer of a network's weights."""
        return torch.optim.AdamW(network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)

    def scheduler(self, optimizer: Optimizer, n_steps: int) -> LRScheduler | None:
        """The learning rate over a training of so many steps; None where it is constant."""
        return None if self.schedule == "constant" else self._one_cycle(optimizer, n_steps)

    def _one_cycle(self, optimizer: Optimizer, n_steps: int) -> LRScheduler:
        return OneCycleLR(optimizer, self.learning_rate, total_steps=n_steps)


@dataclass(frozen=True)
class SoapPlan(OptimizerPlan):
    """SOAP, Adam in a basis in which gradients are uncorrelated, over the same cycle.

    A step costs about a sixth more than one of Adam; after as many steps the loss is about a hundredth of Adam's.
    Plain LSTMs (``shortcut=False``) then want noise in training, or diverge in rollouts (experiments/speed/training).

    Attributes:
        warmup: part of the steps in which the rate rises.

    Raises:
        ConfigError: a value out of range.
    """

    warmup: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.warmup < 1.0:
            raise ConfigError(f"optimizer.warmup = {self.warmup} must lie between 0 and 1")

    def optimizer(self, network: StackedLSTM) -> Optimizer:
        """SOAP over one block per layer, and one for the head."""
        blocks: list[list[Tensor]] = [list(layer) for layer in network.lstm.all_weights]
        blocks.append([network.head.weight, network.head.bias])
        return SOAP(blocks, learning_rate=self.learning_rate, weight_decay=self.weight_decay)

    def _one_cycle(self, optimizer: Optimizer, n_steps: int) -> LRScheduler:
        # PyTorch divides by the steps of the rise less one.
        rise = max(self.warmup, 1.5 / n_steps) if n_steps > 1 else self.warmup
        return OneCycleLR(optimizer, self.learning_rate, total_steps=n_steps, pct_start=rise, cycle_momentum=False)
