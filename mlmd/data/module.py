"""The LightningDataModule: training stretches as device tensors, validation and test trajectories whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from lightning import LightningDataModule, Trainer
from torch import Tensor

from mlmd.data.sequences import MixedBatches, SequenceBatches
from mlmd.data.visited_states import VisitedStates
from mlmd.errors import ConfigError
from mlmd.models import VelocityPredictor
from mlmd.state import Trajectory

TrajectoryBatch = tuple[Tensor, ...]
"""The fields of a Trajectory, in order, and of visited states their target kicks; Lightning moves tuples to the device,
frozen dataclasses not."""


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


@dataclass(frozen=True)
class VisitedData:
    """What a round of retraining learns beside the reference trajectories.

    Attributes:
        train: visited states of all rounds so far.
        val: those that validate this round.
        share: part of a batch that is drawn from them.
        purpose: name of the round, which decides what is drawn.
    """

    train: VisitedStates
    val: VisitedStates
    share: float
    purpose: str


class TrajectoryDataModule(LightningDataModule):
    """Splits of different trajectories, cut into stretches for training.

    Args:
        splits: trajectories by "train", "val" and "test", stride 1.
        predictor: gives inputs and targets; its scales are fitted.
        plan: how training data is batched.
        seed: seed of the run.
        visited: in a round of retraining, what it learns beside the training split.

    Raises:
        ConfigError: a stretch leaves nothing after the memory's warm-up.
    """

    def __init__(
        self,
        splits: Mapping[str, Trajectory],
        *,
        predictor: VelocityPredictor,
        plan: BatchPlan,
        seed: int,
        visited: VisitedData | None = None,
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
        self.visited = visited

    def train_dataloader(self) -> SequenceBatches | MixedBatches:
        """Random stretches, on the device of the trainer."""
        batch_size = max(1, self.plan.batch_size // self._trainer.world_size)
        if self.visited is None:
            return self._batches(self.splits["train"], None, batch_size, "batches")
        # Each source has at least one stretch in a batch, but a share of 1 leaves out the reference.
        n_visited = min(max(1, round(self.visited.share * batch_size)), batch_size)
        states, purpose = self.visited.train, self.visited.purpose
        visited = self._batches(states.trajectory, states.target_kicks, n_visited, f"{purpose} visited")
        if n_visited == batch_size:
            return visited
        return MixedBatches(self._batches(self.splits["train"], None, batch_size - n_visited, purpose), visited)

    def val_dataloader(self) -> "WholeTrajectories":
        """All validation trajectories as one batch, and visited states as another."""
        parts = [_fields(self.splits["val"])]
        if self.visited is not None and self.visited.val.n_stretches:
            parts.append((*_fields(self.visited.val.trajectory), self.visited.val.target_kicks))
        return WholeTrajectories(*parts)

    def test_dataloader(self) -> "WholeTrajectories":
        """All test trajectories as one batch."""
        return WholeTrajectories(_fields(self.splits["test"]))

    @property
    def _trainer(self) -> Trainer:
        if self.trainer is None:
            raise ConfigError("the data module serves a trainer: pass it to Trainer.fit(datamodule=...)")
        return self.trainer

    @torch.no_grad()
    def _batches(
        self, trajectory: Trajectory, target_kicks: Tensor | None, batch_size: int, purpose: str
    ) -> SequenceBatches:
        trainer = self._trainer
        device = trainer.strategy.root_device
        dtype = self.predictor.network.head.weight.dtype
        scaling = self.predictor.scaling
        where = scaling.input_mean.device
        target_kicks = None if target_kicks is None else target_kicks.to(where)
        features, targets = self.predictor.training_pairs(trajectory.to(where), target_kicks)
        return SequenceBatches(
            scaling.standardise(features).to(device, dtype),
            scaling.network_targets(features, targets).to(device, dtype),
            scaling.noise_response().to(device, dtype),
            noise=self.plan.noise,
            sequence_length=self.plan.sequence_length,
            batch_size=batch_size,
            n_batches=self.plan.batches_per_epoch,
            seed=self.seed,
            epoch=lambda: trainer.current_epoch,
            rank=trainer.global_rank,
            purpose=purpose,
        )


class WholeTrajectories:
    """Everything in one batch of each kind; a list would mean several loaders to Lightning."""

    def __init__(self, *batches: TrajectoryBatch) -> None:
        self.batches = batches

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.batches)

    def __iter__(self) -> Iterator[TrajectoryBatch]:
        """The batches."""
        yield from self.batches


def _fields(run: Trajectory) -> TrajectoryBatch:
    return run.steps, run.positions, run.velocities, run.kicks
