"""Settings of ``simulate.py mode=on_the_fly``: MD that trains its own predictor."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field

from mlmd.cli.settings.base import Settings
from mlmd.cli.settings.component import Component
from mlmd.cli.settings.groups import FRAMES, STEPS, LearningSettings
from mlmd.cli.settings.simulate import PropagationSettings
from mlmd.errors import ConfigError

DECIDED_BY_THE_RUN = ("checkpoint", "start_step", "chunk_steps", "xyz")
"""Keys of ``simulate.py`` that a run which trains its own predictor decides itself."""

NOT_USED = (*DECIDED_BY_THE_RUN, "energy_every")


class BatchSettings(Settings):
    """Training data of a run that trains its own predictor."""

    batches: Component = Field(description="training stretches cut from the known steps")


class OnTheFlySettings(PropagationSettings, LearningSettings):
    """Everything that an on-the-fly run is configured by."""

    system: Component = Field(description="what is simulated: a diatomic of the table, a custom one or a molecule")
    hamiltonian: Component = Field(description="where true forces come from")
    regime: Component = Field(description="how initial states are drawn")
    data: BatchSettings = Field(description="training data")
    on_the_fly: Component = Field(description="lengths in MD steps, and the tolerances at injections")
    n_steps: int = Field(ge=2, description="total number of steps, including those before ML", json_schema_extra=STEPS)
    judge_frames: int = Field(
        ge=1,
        description="frames of the last ten periods whose energies are evaluated; their force calls are not counted",
        json_schema_extra=FRAMES,
    )
    reference_steps: int = Field(
        ge=0,
        description="Hamiltonian steps from the same state, made afterwards, with which lines and structure are "
        "compared; 0 for none",
        json_schema_extra=STEPS,
    )

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Self:
        """Settings from the configuration; keys that mean nothing in this mode are left out."""
        return super().from_config({key: value for key, value in values.items() if key not in NOT_USED})

    @staticmethod
    def check_overrides(overrides: Sequence[str]) -> None:
        """Refuse a key that this mode decides itself.

        Args:
            overrides: what the command line changes.

        Raises:
            ConfigError: with the override.
        """
        for override in overrides:
            if override.split("=")[0].lstrip("+") in DECIDED_BY_THE_RUN:
                raise ConfigError(f"{override}: mode=on_the_fly decides this by itself; remove it")
