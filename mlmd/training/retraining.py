"""Retraining: rounds of fine-tuning on states that the predictor's own rollouts visit."""

from dataclasses import dataclass, replace

from mlmd.errors import ConfigError
from mlmd.training.optimizers import OptimizerPlan


@dataclass(frozen=True)
class RetrainingPlan:
    """How a trained predictor learns from its own rollouts; see `mlmd.data.visited_states` for what it learns there.

    In every round it propagates new initial states, with few injections, the Hamiltonian gives the kicks that it should
    have predicted, and it is trained on that and on reference trajectories, as in dataset aggregation (Ross, Gordon and
    Bagnell, arXiv:1011.0686). Scales and shortcut stay as they were fitted.

    Attributes:
        rounds: rounds; 0 for none.
        n_replicas: rollouts a round; a quarter as many, from other states, validate it.
        n_steps: steps of a rollout after ML takes over.
        max_epochs: epochs a round.
        learning_rate_factor: peak rate of a round in units of the optimizer's.
        share: part of a batch that is drawn from visited states, of all rounds so far.
        correction: part of the error of its own last update that a target takes back, from 0 to 1.
        frequency: of bare Hamiltonian injections into the rollouts, so that the states behind an injection are visited.

    Raises:
        ConfigError: a value out of range.
    """

    rounds: int
    n_replicas: int
    n_steps: int
    max_epochs: int
    learning_rate_factor: float
    share: float
    correction: float
    frequency: float

    def __post_init__(self) -> None:
        for name, least in (("rounds", 0), ("n_replicas", 1), ("n_steps", 1), ("max_epochs", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"retraining.{name} = {value} must be a whole number of at least {least}")
        if not self.learning_rate_factor > 0:
            raise ConfigError(f"retraining.learning_rate_factor = {self.learning_rate_factor} must be positive")
        if not 0 < self.share <= 1:
            raise ConfigError(f"retraining.share = {self.share} must lie above 0 and not above 1")
        if not 0 <= self.correction <= 1:
            raise ConfigError(f"retraining.correction = {self.correction} must lie in [0, 1]")
        if not 0 <= self.frequency < 1:
            raise ConfigError(f"retraining.frequency = {self.frequency} must be at least 0 and below 1")

    @property
    def n_val_replicas(self) -> int:
        """Rollouts that validate a round."""
        return max(1, self.n_replicas // 4)

    def optimizer(self, plan: OptimizerPlan) -> OptimizerPlan:
        """The optimizer of a round, made anew for each, from that of the training before."""
        return replace(plan, learning_rate=self.learning_rate_factor * plan.learning_rate)

    def check_length(self, length: int) -> None:
        """Refuse rollouts that are too short to train on.

        Args:
            length: frames of a training stretch.

        Raises:
            ConfigError: with the least number of steps.
        """
        if self.rounds and self.n_steps < length:
            raise ConfigError(
                f"retraining.n_steps = {self.n_steps} must be at least {length}, the frames of one training stretch "
                "(data.batches.sequence_length and the history before it)"
            )
