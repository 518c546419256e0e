"""Validation by rollout: a callback that propagates MD with the model during training and at the test."""

import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.evaluation.rollouts import Progress, RolloutPlan, RolloutResult, reference_rollout, run_rollouts
from mlmd.state import Trajectory
from mlmd.systems import System


class RolloutValidation(Callback):
    """Propagates held-out replicas under several injection schedules through the propagator that ``simulate.py`` uses.

    Logs ``val/<schedule>/<quantity>`` while training and ``rollout/<schedule>/<quantity>`` at the test. Every process
    of a distributed run propagates the same replicas and finds the same numbers.

    Args:
        system: what is simulated.
        val_plan: short rollouts during training.
        val_initial: their initial states.
        test_plan: long rollouts at the test.
        test_initial: their initial states.
        every_n_epochs: epochs between validation rollouts; the last epoch has one too. 0 for none.
        progress: called with the progress of each run.

    Attributes:
        test_results: rollouts of the test by schedule, once it has run.
        test_reference_s: wall-clock time of the test's reference, s.
    """

    def __init__(
        self,
        system: System,
        *,
        val_plan: RolloutPlan,
        val_initial: tuple[Tensor, Tensor],
        test_plan: RolloutPlan,
        test_initial: tuple[Tensor, Tensor],
        every_n_epochs: int,
        progress: Progress,
    ) -> None:
        if every_n_epochs is None or every_n_epochs < 0:
            raise ConfigError(f"rollout.every_n_epochs = {every_n_epochs} must not be negative")
        self.system = system
        self.val_plan = val_plan
        self.val_initial = val_initial
        self.test_plan = test_plan
        self.test_initial = test_initial
        self.every_n_epochs = every_n_epochs
        self.progress = progress
        self._val_reference: Trajectory | None = None
        self.test_results: dict[str, RolloutResult] = {}
        self.test_reference_s = 0.0

    @torch.no_grad()
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Short rollouts, every so many epochs."""
        if self.every_n_epochs == 0 or trainer.sanity_checking:
            return
        epoch = trainer.current_epoch + 1
        if epoch % self.every_n_epochs and epoch != trainer.max_epochs:
            return
        device = pl_module.device
        if self._val_reference is None:
            self._val_reference = reference_rollout(
                self.system, self.val_initial, self.val_plan, device=device, progress=_silent
            )
        results = run_rollouts(
            pl_module.predictor,  # type: ignore[arg-type]  # LightningModule types attributes as Tensor | Module
            self.system,
            self.val_initial,
            self._val_reference,
            self.val_plan,
            device=device,
            progress=_silent,
        )
        self._log(pl_module, "val", results)

    @torch.no_grad()
    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Long rollouts of the trained predictor; what is judged of them is kept for figures."""
        device = pl_module.device
        began = time.perf_counter()
        reference = reference_rollout(
            self.system, self.test_initial, self.test_plan, device=device, progress=self.progress
        )
        self.test_reference_s = time.perf_counter() - began
        self.test_results = run_rollouts(
            pl_module.predictor,  # type: ignore[arg-type]  # LightningModule types attributes as Tensor | Module
            self.system,
            self.test_initial,
            reference,
            self.test_plan,
            device=device,
            progress=self.progress,
        )
        self._log(pl_module, "rollout", self.test_results)

    def _log(self, pl_module: Any, prefix: str, results: dict[str, RolloutResult]) -> None:
        for schedule, result in results.items():
            for quantity, value in result.metrics.items():
                # float64: Lightning would store a plain float as float32.
                pl_module.log(f"{prefix}/{schedule}/{quantity}", torch.tensor(value, dtype=torch.float64), batch_size=1)


def _silent(name: str, done: int, total: int) -> None:
    """Short validation rollouts show no progress of their own."""
