"""Measures the training time to each accuracy; a resumed run continues the measurement."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer

ACCURACIES_PERCENT = (99.9, 99.99)
"""Validation velocity accuracies whose time is noted."""


class TrainingClock(Callback):
    """Logs ``time/train_s`` with every validation, and stores when an accuracy was first reached.

    The time of training starts with the first batch and includes validations and their rollouts. A resumed run
    continues from the time of its checkpoint; the time that was lost after it is not counted. A round of retraining
    continues from the time of the training before, and the time between them is counted.

    Args:
        began: `time.perf_counter` at the start of the command.

    Attributes:
        first_step_s: time from the start of the command to the end of the first training step of this process, s; None
            before that step.
        reached_s: time of training at the first validation with an accuracy, by accuracy in percent.
    """

    def __init__(self, *, began: float) -> None:
        self.began = began
        self.first_step_s: float | None = None
        self.reached_s: dict[float, float] = {}
        self._before_s = 0.0
        self._train_began: float | None = None

    @property
    def train_s(self) -> float:
        """Time of training so far, s."""
        return self._before_s + (0.0 if self._train_began is None else time.perf_counter() - self._train_began)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start or continue the clock."""
        self._before_s = self.train_s
        self._train_began = time.perf_counter()

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Store the time of the first step."""
        if self.first_step_s is None:
            self.first_step_s = time.perf_counter() - self.began

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the time."""
        pl_module.log("time/train_s", self.train_s, batch_size=1)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the time of each accuracy that this validation is the first to reach."""
        accuracy = float(trainer.callback_metrics["val/velocity_accuracy_percent"])
        for level in ACCURACIES_PERCENT:
            if accuracy >= level:
                self.reached_s.setdefault(level, self.train_s)

    def costs(self) -> dict[str, float]:
        """The metrics of the clock; an accuracy that was not reached is absent."""
        costs = {} if self.first_step_s is None else {"cost/first_step_s": self.first_step_s}
        return costs | {f"cost/to_{level}_percent_s": seconds for level, seconds in sorted(self.reached_s.items())}

    def state_dict(self) -> dict[str, Any]:
        """The time so far, for a checkpoint."""
        return {"train_s": self.train_s, "reached_s": dict(self.reached_s)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the time in a checkpoint."""
        self._before_s = state_dict["train_s"]
        self._train_began = None
        self.reached_s = dict(state_dict["reached_s"])
