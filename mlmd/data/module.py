"""The LightningDataModule: training stretches as device tensors, validation and test trajectories whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from lightning import LightningDataModule
from torch import Tensor

from mlmd.data.sequences import SequenceBatches
from mlmd.errors import ConfigError
from mlmd.models import VelocityPredictor
from mlmd.state import Trajectory

TrajectoryBatch = tuple[Tensor, Tensor, Tensor, Tensor]
"""The fields of a Trajectory, in order; Lightning moves tuples to the device, frozen dataclasses not."""


@dataclass(frozen=True)
class BatchPlan:
    """How training data is batched.

    Attributes:
        sequence_length: steps in a training stretch; the memory's warm-up is part of it.
        batch_size: stretches in a batch, over all processes together.
        batches_per_epoch: optimiser steps in an epoch.
        noise: standard deviation of noise on the standardised inputs.

    Raises:
        ConfigError: a size is below 1, or the noise is negative.
    """

    sequence_length: int
    batch_size: int
    batches_per_epoch: int
    noise: float

    def __post_init__(self) -> None:
        for name in ("sequence_length", "batch_size", "batches_per_epoch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.batches.{name} = {getattr(self, name)} must be at least 1")
        if not self.noise >= 0:
            raise ConfigError(f"data.batches.noise = {self.noise} must not be negative")


class TrajectoryDataModule(LightningDataModule):
    """Splits of different trajectories, cut into stretches for training.

    Args:
        splits: trajectories by "train", "val" and "test", stride 1.
        predictor: gives inputs and targets; its scales are fitted.
        plan: how training data is batched.
        seed: seed of the run.

    Raises:
        ConfigError: a stretch leaves nothing after the memory's warm-up.
    """

    def __init__(
        self, splits: Mapping[str, Trajectory], *, predictor: VelocityPredictor, plan: BatchPlan, seed: int
    ) -> None:
        super().__init__()
        if plan.sequence_length <= predictor.memory.n_skipped:
            raise ConfigError(
                f"data.batches.sequence_length = {plan.sequence_length} must exceed the "
                f"{predictor.memory.n_skipped} steps that the memory needs before its first output"
            )
        self.splits = splits
        self.predictor = predictor
        self.plan = plan
        self.seed = seed

    @torch.no_grad()
    def train_dataloader(self) -> SequenceBatches:
        """Random stretches, on the device of the trainer."""
        trainer = self.trainer
        if trainer is None:
            raise ConfigError("the data module serves a trainer: pass it to Trainer.fit(datamodule=...)")
        device = trainer.strategy.root_device
        dtype = self.predictor.network.head.weight.dtype
        scaling = self.predictor.scaling
        where = scaling.input_mean.device
        features, targets = self.predictor.training_pairs(self.splits["train"].to(where))
        return SequenceBatches(
            scaling.standardise(features).to(device, dtype),
            scaling.network_targets(features, targets).to(device, dtype),
            scaling.noise_response().to(device, dtype),
            noise=self.plan.noise,
            sequence_length=self.plan.sequence_length,
            batch_size=max(1, self.plan.batch_size // trainer.world_size),
            n_batches=self.plan.batches_per_epoch,
            seed=self.seed,
            epoch=lambda: trainer.current_epoch,
            rank=trainer.global_rank,
        )

    def val_dataloader(self) -> "WholeTrajectories":
        """All validation trajectories as one batch."""
        return WholeTrajectories(self.splits["val"])

    def test_dataloader(self) -> "WholeTrajectories":
        """All test trajectories as one batch."""
        return WholeTrajectories(self.splits["test"])


class WholeTrajectories:
    """One batch of everything; a list would mean several loaders to Lightning."""

    def __init__(self, trajectory: Trajectory) -> None:
        self.trajectory = trajectory

    def __len__(self) -> int:
        """One batch."""
        return 1

    def __iter__(self) -> Iterator[TrajectoryBatch]:
        """The batch."""
        run = self.trajectory
        yield run.steps, run.positions, run.velocities, run.kicks
