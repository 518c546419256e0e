"""Settings of ``train.py``."""

from collections.abc import Mapping

from pydantic import Field

from mlmd.cli.settings.base import Settings
from mlmd.cli.settings.component import Component
from mlmd.cli.settings.groups import EPOCHS, FRAMES, STEPS, LearningSettings, RunSettings


class DataSettings(Settings):
    """Training data."""

    trajectories: Component = Field(description="reference trajectories: generated, or read from files")
    batches: Component = Field(description="training stretches cut from the trajectories")
    cache: str | None = Field(description="folder in which reference trajectories are kept; null keeps none")


class RolloutSettings(Settings):
    """Rollouts that judge the predictor while it is trained and at the end."""

    injections: Mapping[str, Component] = Field(description="injections by the name under which they are reported")
    start_step: int = Field(ge=1, description="Hamiltonian steps before ML takes over", json_schema_extra=STEPS)
    n_steps: int = Field(ge=2, description="steps of a test rollout after ML takes over", json_schema_extra=STEPS)
    n_replicas: int = Field(ge=1, description="replicas of a test rollout")
    val_n_steps: int = Field(ge=2, description="steps of a validation rollout", json_schema_extra=STEPS)
    val_n_replicas: int = Field(ge=1, description="replicas of a validation rollout")
    every_n_epochs: int = Field(
        ge=0, description="epochs between validation rollouts; 0 for none", json_schema_extra=EPOCHS
    )
    energy_every: int = Field(
        ge=1,
        description="evaluated frames from one computed potential energy to the next; more than 1 if forces are costly",
        json_schema_extra=FRAMES,
    )


class TrainSettings(RunSettings, LearningSettings):
    """Everything that a training run is configured by."""

    system: Component = Field(description="what is simulated: a diatomic of the table, a custom one or a molecule")
    hamiltonian: Component = Field(description="where true forces come from")
    regime: Component = Field(description="how initial states are drawn")
    data: DataSettings = Field(description="training data")
    rollout: RolloutSettings = Field(description="rollouts that evaluate the predictor")
    retraining: Component = Field(description="rounds of fine-tuning on states that the predictor's rollouts visit")
