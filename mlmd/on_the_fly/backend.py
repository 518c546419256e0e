"""What an on-the-fly run needs from around it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

from mlmd.models import VelocityPredictor
from mlmd.state import Trajectory

if TYPE_CHECKING:
    from mlmd.on_the_fly.loop import OnTheFly


Reach = Callable[[Tensor, int], None]
"""Raises where positions [replica, atom, xyz], A, of a step are beyond what a predictor's decomposition holds for."""


class Surroundings(Protocol):
    """Training, storage and words."""

    def train(self, number: int, splits: dict[str, Trajectory]) -> VelocityPredictor:
        """Training ``number`` (from 1) on "train", selected by "val"; interrupted, it goes on where it stood."""
        ...

    def load(self, number: int) -> VelocityPredictor:
        """What training ``number`` left."""
        ...

    def keep(self, frames: Trajectory) -> None:
        """Store frames that stand; they come in order."""
        ...

    def save(self, state: dict[str, Any]) -> None:
        """Make the frames so far and the state the point to go on from."""
        ...

    def tell(self, run: "OnTheFly", news: str | None) -> None:
        """Show how far the run is, and what has just happened."""
        ...
