"""One logger for several trainings of a run, one after the other."""

from argparse import Namespace
from typing import Any

from lightning.pytorch.loggers import Logger


class LaterLogger(Logger):
    """Hands on to a logger what a later training logs, its epochs and steps counted on from those before it.

    Args:
        logger: of the run.
        n_epochs: epochs of the trainings before.
        n_steps: optimizer steps of the trainings before.
    """

    def __init__(self, logger: Logger, *, n_epochs: int, n_steps: int) -> None:
        super().__init__()
        self.logger = logger
        self.n_epochs = n_epochs
        self.n_steps = n_steps

    @property
    def name(self) -> str | None:
        """The logger's."""
        return self.logger.name

    @property
    def version(self) -> int | str | None:
        """The logger's."""
        return self.logger.version

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log at the epoch and step of the run."""
        counted = {"epoch": metrics["epoch"] + self.n_epochs} if "epoch" in metrics else {}
        self.logger.log_metrics({**metrics, **counted}, None if step is None else step + self.n_steps)

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the run has logged its own."""

    def save(self) -> None:
        """Save."""
        self.logger.save()

    def finalize(self, status: str) -> None:
        """Finalize; a logger may log more after that."""
        self.logger.finalize(status)
