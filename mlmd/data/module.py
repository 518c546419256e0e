"""The LightningDataModule: training batches of random stretches, validation and test on whole trajectories."""

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
"""The fields of a Trajectory in their order, and for visited states also the target kicks.

It is a tuple because Lightning moves tuples to the device, but not frozen dataclasses."""


@dataclass(frozen=True)
class BatchPlan:
    """The size of training batches. A stretch is a series of consecutive steps of one trajectory.

    Attributes:
        sequence_length: length of a stretch, MD steps, at least 1; the warm-up of the memory is part of it.
        batch_size: number of stretches in a batch, over all processes together, at least 1.
        batches_per_epoch: number of optimizer steps in an epoch, at least 1.
        noise: standard deviation of the noise added to the standardised inputs, without unit, 0 or more; 0 adds none.

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
    """The visited states of a round of retraining, which are used beside the reference trajectories.

    Attributes:
        train: training states, of all rounds so far.
        val: validation states of this round.
        share: part of a batch that is drawn from visited states, from 0 to 1.
        purpose: name of the round; the random draws depend on it.
    """

    train: VisitedStates
    val: VisitedStates
    share: float
    purpose: str


class TrajectoryDataModule(LightningDataModule):
    """Provides batches of the training split, and the validation and test splits as a whole.

    Args:
        splits: trajectories by "train", "val" and "test"; every MD step is a frame.
        predictor: computes model inputs and targets; its scales are fitted.
        plan: size of training batches.
        seed: seed of the run.
        visited: visited states, in a round of retraining.

    Raises:
        ConfigError: a stretch is not longer than the warm-up of the memory.
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
        """Batches of random stretches, on the device of the trainer."""
        batch_size = max(1, self.plan.batch_size // self._trainer.world_size)
        if self.visited is None:
            return self._batches(self.splits["train"], None, batch_size, "batches")
        # Each source has at least one stretch in a batch, except that a share of 1 uses visited states only.
        n_visited = min(max(1, round(self.visited.share * batch_size)), batch_size)
        states, purpose = self.visited.train, self.visited.purpose
        visited = self._batches(states.trajectory, states.target_kicks, n_visited, f"{purpose} visited")
        if n_visited == batch_size:
            return visited
        return MixedBatches(self._batches(self.splits["train"], None, batch_size - n_visited, purpose), visited)

    def val_dataloader(self) -> "WholeTrajectories":
        """All validation trajectories as one batch, and visited states as a second one."""
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
            raise ConfigError("the data module has no trainer: pass it to Trainer.fit(datamodule=...)")
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
    """An iterable of given batches. It is not a list because Lightning takes a list as several loaders."""

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
