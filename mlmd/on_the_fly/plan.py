"""The plan of molecular dynamics that trains its own predictor."""

from dataclasses import dataclass

from mlmd.errors import ConfigError


@dataclass(frozen=True)
class OnTheFlyPlan:
    """Lengths in MD steps, and the bands outside which the Hamiltonian takes over.

    Attributes:
        first_steps: Hamiltonian steps before the first training.
        growth: a predictor that does not pass makes the known steps grow by this share before the next training.
        fallback_steps: Hamiltonian steps after a fallback, before the next training.
        held_out_steps: the last known steps; no training, the predictor has to find them by itself.
        validation_steps: steps that it propagates without a force call in that test.
        validation_error: largest error of velocities along them that passes, relative to their root mean square.
        disagreement: band of |u_learned - u_true| / rms |u_true| at injections.
        energy_band: band of the total energy at injections, relative to its mean before ML.
        max_rounds: trainings in all; after the last that fails, the rest of the run is Hamiltonian.

    Raises:
        ConfigError: a value out of range.
    """

    first_steps: int
    growth: float
    fallback_steps: int
    held_out_steps: int
    validation_steps: int
    validation_error: float
    disagreement: float
    energy_band: float
    max_rounds: int

    def __post_init__(self) -> None:
        for name in ("first_steps", "fallback_steps", "held_out_steps", "validation_steps", "max_rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"on_the_fly.{name} = {getattr(self, name)} must be at least 1")
        for name in ("growth", "validation_error", "disagreement", "energy_band"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"on_the_fly.{name} = {getattr(self, name)} must be positive")
        if self.first_steps <= self.held_out_steps:
            raise ConfigError(
                f"on_the_fly.first_steps = {self.first_steps} leaves nothing to learn from: it must exceed "
                f"on_the_fly.held_out_steps = {self.held_out_steps}"
            )

    def check_history(self, n_history: int, sequence_length: int) -> None:
        """Refuse lengths that the predictor or its training cannot do with.

        Args:
            n_history: steps that the predictor reads before its first valid output.
            sequence_length: frames of a training stretch, those before its first input included.

        Raises:
            ConfigError: with the least length.
        """
        least = n_history + self.validation_steps + 1
        if self.held_out_steps < least:
            raise ConfigError(
                f"on_the_fly.held_out_steps = {self.held_out_steps} is too short: {n_history} steps of history and "
                f"on_the_fly.validation_steps = {self.validation_steps} need {least}"
            )
        least = self.held_out_steps + sequence_length
        for name in ("first_steps", "fallback_steps"):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"on_the_fly.{name} = {getattr(self, name)} is too short to learn from: it must be at least {least}"
                )
