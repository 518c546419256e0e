"""Settings that several commands share: the run as a whole, trainer, selection, memory and trackers."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from mlmd.cli.settings.base import Settings
from mlmd.cli.settings.component import Component
from mlmd.errors import ConfigError, short

MAX_SEED = 2**32 - 1
"""Largest seed that NumPy and PyTorch both take."""

STEPS: dict[str, JsonValue] = {"unit": "MD steps"}
FRAMES: dict[str, JsonValue] = {"unit": "frames"}
EPOCHS: dict[str, JsonValue] = {"unit": "epochs"}

LEAST_ARGUMENTS = {
    "max_steps": 1,
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "log_every_n_steps": 1,
    "limit_train_batches": 1e-12,
    "limit_val_batches": 1e-12,
    "limit_test_batches": 1e-12,
    "val_check_interval": 1e-12,
}
"""Arguments of Lightning's trainer that must not be 0; those below 1 may be a part of all batches."""

Device = Literal["cpu", "cuda", "gpu"]
Precision = Literal["32-true", "64-true", "bf16-mixed", "16-mixed"]
"""True half precision would narrow the scales too, which have to be float64."""


class LoggerSettings(Settings):
    """Experiment trackers by name, and the options of Weights & Biases."""

    project: str | None = Field(default=None, description="project of Weights & Biases, with logger=wandb")
    mode: Literal["offline", "online"] | None = Field(
        default=None, description="offline writes into the run's folder; online uploads at once, with logger=wandb"
    )
    group: str | None = Field(
        default=None, description="group of runs; null is the chosen experiment, with logger=wandb"
    )
    trackers: Mapping[str, Component] = Field(default={}, description="trackers by name, each with its _target_")

    @classmethod
    def _with_components(cls, values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        """Every key that holds a mapping is a tracker."""
        options = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
        trackers = {key: Component.of(value, f"{path}{key}") for key, value in values.items() if key not in options}
        return options | {"trackers": trackers}


class RunSettings(Settings):
    """What every run has."""

    seed: int = Field(ge=0, le=MAX_SEED, description="seed of initial states, weights and batches")
    threads: int = Field(ge=1, description="CPU threads of PyTorch; small LSTMs run fastest with one")
    figures: bool = Field(description="draw figures as PNG files; report.html and curves.json are written either way")
    resume: str | None = Field(
        description="folder of an interrupted run to resume; the configuration in that folder is used"
    )
    trust: str | list[str] | None = Field(
        default=None,
        description="classes and calculators that a checkpoint or resumed folder may name beside mlmd's",
    )
    engine: Component = Field(description="program that advances the steps between two injections")
    logger: LoggerSettings = Field(description="experiment trackers; the csv log is always written")
    digest: str | None = Field(default=None, description="digest of the configuration, by which a sweep finds a run")
    format_version: int | None = Field(default=None, description="version of the stored configuration")


class MemorySettings(Settings):
    """How a predictor remembers the steps before."""

    kind: str = Field(description="carried: the LSTM state is carried from step to step; window: the last steps alone")
    length: int | None = Field(description="steps that a window holds, with memory=window", json_schema_extra=STEPS)
    warmup: int | None = Field(
        description="steps whose outputs are not used, with memory=carried", json_schema_extra=STEPS
    )


class TrainerSettings(Settings):
    """Arguments of ``lightning.Trainer``; further ones are passed on as they are."""

    model_config = ConfigDict(extra="allow")

    accelerator: Device = Field(description="device of the training")
    devices: int | str | list[int] = Field(description="number of processes or devices")
    strategy: str = Field(description="Lightning's strategy for several processes")
    precision: Precision = Field(description="floating-point precision of the network")
    max_epochs: int = Field(ge=1, description="epochs of a training", json_schema_extra=EPOCHS)

    @model_validator(mode="after")
    def _check_further(self) -> Self:
        """Refuse further arguments with which nothing would be trained; Lightning fails on them without a reason."""
        for name, value in (self.model_extra or {}).items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            least = LEAST_ARGUMENTS.get(name)
            if least is None or value is None or (name == "max_steps" and value == -1):
                continue
            if not is_number or not value >= least or (isinstance(value, float) and value > 1.0):
                raise ConfigError(
                    f"trainer.{name} = {short(value, quoted=True)} must be a whole number, at least 1"
                    + (", or a part of all, above 0 and at most 1" if least < 1 else "")
                )
        return self


class SelectionSettings(Settings):
    """Which checkpoint of a training is the best one."""

    monitor: str = Field(description="logged quantity whose least value selects the best checkpoint")
    every_n_epochs: int = Field(
        ge=1,
        description="epochs between two candidates",
        json_schema_extra={"unit": "epochs", "cure": "selection=rollout takes it from rollout.every_n_epochs"},
    )


class LearningSettings(Settings):
    """A training: what is trained, and how."""

    model: Component = Field(description="the predictor: components, target and network")
    memory: MemorySettings = Field(description="memory of the predictor for earlier steps")
    loss: Component = Field(description="the training objective")
    optimizer: Component = Field(description="optimizer and learning rate")
    trainer: TrainerSettings = Field(description="arguments of lightning.Trainer")
    selection: SelectionSettings = Field(description="which checkpoint is the best one")
    callbacks: Mapping[str, Component] = Field(default={}, description="further callbacks of Lightning, by name")
