"""The LightningModule around a velocity predictor."""

from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from mlmd.data.module import TrajectoryBatch
from mlmd.errors import ConfigError
from mlmd.models import VelocityPredictor
from mlmd.observables import VelocityAccuracy, VelocityMAE, VelocityMAPE
from mlmd.state import Trajectory
from mlmd.training.loss import SequenceLoss

CHECKPOINT_FORMAT = 1


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


class PredictorModule(LightningModule):
    """Trains the network of a predictor on what its linear shortcut leaves, and measures one-step velocities.

    Args:
        predictor: scales fitted on the training data.
        loss: what is made small.
        optimizer: how the weights are found.
        mape_threshold_A_per_fs: velocity components at or below it stay out of the MAPE.
        config: the resolved configuration, stored in every checkpoint.
    """

    def __init__(
        self,
        predictor: VelocityPredictor,
        *,
        loss: SequenceLoss,
        optimizer: OptimizerPlan,
        mape_threshold_A_per_fs: float,
        config: dict[str, Any],
    ) -> None:
        super().__init__()
        self.predictor = predictor
        self.loss = loss
        self.optimizer_plan = optimizer
        self.config = config
        self.accuracy = VelocityAccuracy()
        self.linear_accuracy = VelocityAccuracy()
        self.mae = VelocityMAE()
        self.mape = VelocityMAPE(threshold=mape_threshold_A_per_fs)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss over all steps after the memory's warm-up, in units of what the shortcut leaves."""
        loss = self._loss(*batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch[0]))
        return loss

    def validation_step(self, batch: TrajectoryBatch, batch_idx: int) -> None:
        """Loss and one-step velocity accuracy on the validation trajectories."""
        trajectory = Trajectory(*batch)
        features, targets = self.predictor.training_pairs(trajectory)
        scaling = self.predictor.scaling
        dtype = self.predictor.network.head.weight.dtype
        loss = self._loss(scaling.standardise(features).to(dtype), scaling.network_targets(features, targets).to(dtype))
        predicted, _, true = self.predictor.predict_velocities(trajectory)
        self.accuracy.update(predicted, true)
        self.log("val/loss", loss, prog_bar=True, batch_size=1, sync_dist=True)
        self.log("val/velocity_accuracy_percent", self.accuracy, batch_size=1)

    def test_step(self, batch: TrajectoryBatch, batch_idx: int) -> None:
        """One-step velocity errors on the test trajectories."""
        predicted, linear, true = self.predictor.predict_velocities(Trajectory(*batch))
        self.accuracy.update(predicted, true)
        self.linear_accuracy.update(linear, true)
        self.mae.update(predicted, true)
        self.mape.update(predicted, true)
        metrics = {
            "velocity_accuracy_percent": self.accuracy,
            "velocity_mae_A_per_fs": self.mae,
            "velocity_mape_percent": self.mape,
        }
        if self.predictor.spec.shortcut:
            metrics["linear_velocity_accuracy_percent"] = self.linear_accuracy
        for name, metric in metrics.items():
            self.log(f"test/{name}", metric, batch_size=1)

    def configure_optimizers(self) -> Any:
        """AdamW over the network's weights, with the planned rate."""
        plan = self.optimizer_plan
        optimizer = torch.optim.AdamW(
            self.predictor.network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        if plan.schedule == "constant":
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, plan.learning_rate, total_steps=int(self.trainer.estimated_stepping_batches)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say in plain values what the checkpoint is, so that it can be used without the code that made it."""
        checkpoint["mlmd"] = {
            "format_version": CHECKPOINT_FORMAT,
            "spec": self.predictor.spec.to_dict(),
            "config": self.config,
        }

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        memory = self.predictor.memory
        said = memory.sequence(self.predictor.network, inputs)
        return self.loss(said, targets[:, memory.n_skipped :])
