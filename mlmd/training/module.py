"""The LightningModule around a velocity predictor."""

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from mlmd.data.module import TrajectoryBatch
from mlmd.errors import TrainingError
from mlmd.io.migrations import CHECKPOINT_VERSION, VERSION_KEY
from mlmd.models import VelocityPredictor
from mlmd.observables.metrics import VelocityAccuracy, VelocityMAE, VelocityMAPE, WorkError
from mlmd.state import Trajectory
from mlmd.training.loss import SequenceLoss
from mlmd.training.optimizers import OptimizerPlan


class PredictorModule(LightningModule):
    """Trains the network of a predictor on what its linear shortcut leaves, and measures one-step velocities.

    Args:
        predictor: scales fitted on the training data.
        loss: the training objective.
        optimizer: optimizer and learning-rate schedule.
        mape_threshold_A_per_fs: velocity components at or below it stay out of the MAPE.
        steps_per_period: MD steps in a period of the system.
        config: the resolved configuration, stored in every checkpoint.
    """

    def __init__(
        self,
        predictor: VelocityPredictor,
        *,
        loss: SequenceLoss,
        optimizer: OptimizerPlan,
        mape_threshold_A_per_fs: float,
        steps_per_period: float,
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
        masses = torch.tensor(predictor.spec.masses_u, dtype=torch.float64)
        self.work = WorkError(masses, steps_per_period=steps_per_period)
        self._train_losses: list[Tensor] = []

    def with_optimizer(self, optimizer: OptimizerPlan) -> "PredictorModule":
        """A module that trains the same predictor further, with another optimizer and metrics of its own."""
        return PredictorModule(
            self.predictor,
            loss=self.loss,
            optimizer=optimizer,
            mape_threshold_A_per_fs=self.mape.threshold,
            steps_per_period=self.work.steps_per_period,
            config=self.config,
        )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss over all steps after the memory's warm-up, in units of what the shortcut leaves."""
        loss = self._loss(*batch)
        self._train_losses.append(loss.detach())
        return loss

    def on_fit_start(self) -> None:
        """Check the weights with which the training begins or is resumed.

        Raises:
            TrainingError: one of them is not finite.
        """
        for name, weights in self.predictor.state_dict().items():
            if not bool(weights.isfinite().all()):
                raise TrainingError(f"{name} of the predictor holds numbers that are not finite; train anew")

    def on_validation_start(self) -> None:
        """Check the losses since the last validation, before a checkpoint is written.

        Raises:
            TrainingError: one of them is not finite.
        """
        finite = torch.stack(self._train_losses).isfinite() if self._train_losses else torch.ones(1)
        if not bool(finite.all()):
            batch = int(finite.int().argmin()) + 1
            raise TrainingError(
                f"the training loss is no finite number from batch {batch} of epoch {self.current_epoch + 1} on: lower "
                "optimizer.learning_rate or optimizer.gradient_clip; the checkpoint of the epoch before is kept"
            )

    def on_train_epoch_end(self) -> None:
        """Log the epoch's mean loss: once, for `log` in every step takes longer than the optimizer's step."""
        self.log("train/loss", torch.stack(self._train_losses).mean(), prog_bar=True, batch_size=1)
        self._train_losses.clear()

    def validation_step(self, batch: TrajectoryBatch, batch_idx: int) -> None:
        """Loss on validation trajectories and visited states, one-step velocity accuracy on the trajectories alone."""
        trajectory, target_kicks = Trajectory(*batch[:4]), (batch[4] if len(batch) > 4 else None)
        features, targets = self.predictor.training_pairs(trajectory, target_kicks)
        scaling = self.predictor.scaling
        dtype = self.predictor.network.head.weight.dtype
        loss = self._loss(scaling.standardise(features).to(dtype), scaling.network_targets(features, targets).to(dtype))
        self.log("val/loss", loss, prog_bar=True, batch_size=1, sync_dist=True)
        if target_kicks is not None:
            return
        predicted, _, true = self.predictor.predict_velocities(trajectory)
        self.accuracy.update(predicted, true)
        self.log("val/velocity_accuracy_percent", self.accuracy, batch_size=1)

    def test_step(self, batch: TrajectoryBatch, batch_idx: int) -> None:
        """One-step velocity errors on the test trajectories."""
        trajectory = Trajectory(*batch)
        predicted, linear, true = self.predictor.predict_velocities(trajectory)
        self.work.update(predicted, true, trajectory.velocities[:, self.predictor.n_history :])
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

    def on_test_epoch_end(self) -> None:
        """Log the work of the kick errors over a period, and its spread over replicas."""
        for name, value in zip(("error", "error_spread"), self.work.compute(), strict=True):
            self.log(f"test/work_{name}_per_period", value, batch_size=1)
        self.work.reset()

    def configure_optimizers(self) -> Any:
        """The planned optimizer over the network's weights, with the planned rate."""
        optimizer = self.optimizer_plan.optimizer(self.predictor.network)
        scheduler = self.optimizer_plan.scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the predictor in plain values, so that the checkpoint can be used without the code that made it."""
        checkpoint["mlmd"] = {
            VERSION_KEY: CHECKPOINT_VERSION,
            "spec": self.predictor.spec.to_dict(),
            "config": self.config,
        }

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        memory = self.predictor.memory
        outputs = memory.sequence(self.predictor.network, inputs)
        return self.loss(outputs, targets[:, memory.n_skipped :])
