"""The interface between an on-the-fly run and its training, storage and display."""

from dataclasses import dataclass
from typing import Any, Protocol

from mlmd.models import VelocityPredictor
from mlmd.state import Trajectory


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        phase: "hamiltonian" or "learned".
        step: MD steps done.
        frequency: force calls over steps since ML first took over; NaN before.
        energy_excess: relative excess of the energy at the last injection; None before the first.
        speed_up: wall-clock time of pure Hamiltonian dynamics over that of the run, so far.
    """

    phase: str
    step: int
    frequency: float
    energy_excess: float | None
    speed_up: float


class Surroundings(Protocol):
    """Training, storage and words."""

    def train(self, number: int, splits: dict[str, Trajectory]) -> VelocityPredictor:
        """Training ``number`` (from 1) on "train", selected by "val"; an interrupted one continues."""
        ...

    def load(self, number: int) -> VelocityPredictor:
        """What training ``number`` left."""
        ...

    def keep(self, frames: Trajectory) -> None:
        """Store frames that stand; they come in order."""
        ...

    def save(self, state: dict[str, Any]) -> None:
        """Make the frames so far and the state the point from which a run is resumed."""
        ...

    def tell(self, progress: RunProgress, news: str | None) -> None:
        """Show how far the run is, and what has just happened."""
        ...
