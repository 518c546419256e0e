"""Settings of ``simulate.py`` with a predictor that is already trained."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mlmd.cli.settings.component import Component
from mlmd.cli.settings.groups import FRAMES, STEPS, Device, RunSettings
from mlmd.errors import ConfigError

MIN_FRAMES_PER_PERIOD = 8
"""Fewer frames a period than this blur phases; a spectrum needs at least two."""


class PropagationSettings(RunSettings):
    """What both modes of ``simulate.py`` have."""

    mode: Literal["trained", "on_the_fly"] = Field(
        description="trained: a trained predictor propagates; on_the_fly: MD that trains its own predictor"
    )
    injection: Component = Field(description="when a kick is Hamiltonian, and whether the energy is corrected")
    injection_name: str | None = Field(default=None, description="name under which the injection is reported")
    n_steps: int = Field(
        ge=1,
        description="total number of steps, including the Hamiltonian ones before ML takes over",
        json_schema_extra=STEPS,
    )
    n_replicas: int = Field(ge=1, description="replicas, each with its own initial state")
    every: int = Field(ge=1, description="steps from one stored frame to the next", json_schema_extra=STEPS)
    judge: bool = Field(description="propagate a reference as well and compare the run with it")
    device: Device = Field(description="device of the propagation")


class SimulateSettings(PropagationSettings):
    """Everything that a simulation with a trained predictor is configured by."""

    checkpoint: str = Field(description="checkpoint file, or folder of a training run (its best checkpoint)")
    system: Component | None = Field(default=None, description="what is simulated; null is the system of the training")
    hamiltonian: Component | None = Field(
        default=None, description="where true forces come from; null is that of the training"
    )
    regime: Component | None = Field(
        default=None, description="how initial states are drawn; null is that of the training"
    )
    start_step: int = Field(
        ge=1, description="ML takes over at this step; every step before it is Hamiltonian", json_schema_extra=STEPS
    )
    energy_every: int = Field(
        ge=1,
        description="evaluated frames from one computed potential energy to the next; more than 1 if forces are costly",
        json_schema_extra=FRAMES,
    )
    chunk_steps: int | None = Field(
        ge=1,
        description="steps between two saves, which bound what a killed run loses; null saves every ten seconds",
        json_schema_extra=STEPS,
    )
    xyz: bool = Field(description="also write extended XYZ, one file per replica")

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Self:
        """As the base; a checkpoint that is not given has its own words."""
        if not values.get("checkpoint"):
            raise ConfigError(
                "checkpoint is missing: give checkpoint=<file, or folder of a training run>, or mode=on_the_fly"
            )
        return super().from_config(values)

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        if self.n_steps <= self.start_step:
            raise ConfigError(
                f"n_steps = {self.n_steps} ends before ML starts: it must exceed start_step = {self.start_step}"
            )
        n_judged = (self.n_steps - 1) // self.every - (self.start_step - 1) // self.every
        if self.judge and n_judged < 2:
            raise ConfigError(
                f"every = {self.every} leaves {n_judged} frame(s) after start_step = {self.start_step} to judge; "
                "lower it, or use judge=false"
            )
        return self

    @property
    def first_judged_frame(self) -> int:
        """Index of the first stored frame after ML takes over."""
        return -(-self.start_step // self.every)

    def check_frames(self, *, system: str, steps_per_period: float) -> None:
        """Refuse to judge frames that alias the vibration: line, phase and mean energy would be wrong.

        Args:
            system: name of the molecule, for the message.
            steps_per_period: MD steps in a period of its vibration.

        Raises:
            ConfigError: too few frames a period.
        """
        per_period = steps_per_period / self.every
        if self.judge and per_period < MIN_FRAMES_PER_PERIOD:
            raise ConfigError(
                f"every = {self.every} leaves {per_period:.1f} frames a period of {system}, and judging needs "
                f"{MIN_FRAMES_PER_PERIOD}; lower it, or use judge=false"
            )
