"""How a predictor is trained, whichever command asks for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from lightning import Callback

from mlmd.data.module import BatchPlan
from mlmd.errors import ConfigError
from mlmd.training.loss import SequenceLoss
from mlmd.training.optimizers import OptimizerPlan


@dataclass(frozen=True)
class TrainingPlan:
    """What a training needs beside a predictor and data.

    Attributes:
        loss: the training objective.
        optimizer: optimizer and learning rate.
        batches: training stretches cut from the trajectories.
        trainer: arguments of ``lightning.Trainer``.
        monitor: logged quantity whose least value selects the best checkpoint.
        every_n_epochs: epochs between two candidates for the best checkpoint.
        seed: of the run.
        resumes: whether an interrupted training continues from its last checkpoint.
        config: the resolved configuration, stored in every checkpoint.
        make_callbacks: makes further callbacks, once for each training.

    Raises:
        ConfigError: this CPU has no LSTM in the precision that is asked for.
    """

    loss: SequenceLoss
    optimizer: OptimizerPlan
    batches: BatchPlan
    trainer: Mapping[str, Any]
    monitor: str
    every_n_epochs: int
    seed: int
    resumes: bool
    config: Mapping[str, Any]
    make_callbacks: Callable[[], Sequence[Callback]] = tuple

    def __post_init__(self) -> None:
        on_cpu = self.trainer["accelerator"] == "cpu"
        if self.trainer["precision"] == "bf16-mixed" and on_cpu and not cpu_runs_bfloat16():
            raise ConfigError(
                "trainer.precision = 'bf16-mixed': PyTorch has no LSTM in bfloat16 for this CPU; use 32-true, or a GPU"
            )

    @property
    def max_epochs(self) -> int:
        """Epochs of the training."""
        return int(self.trainer["max_epochs"])

    def with_epochs(self, max_epochs: int) -> "TrainingPlan":
        """The same plan for another number of epochs."""
        return replace(self, trainer={**self.trainer, "max_epochs": max_epochs})


def cpu_runs_bfloat16() -> bool:
    """Whether an LSTM runs in bfloat16 here: on CPUs without AVX-512 it may not, which is found by trying."""
    lstm = torch.nn.LSTM(1, 1, batch_first=True)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
            lstm(torch.zeros(1, 1, 1))
    except RuntimeError:
        return False
    return True
