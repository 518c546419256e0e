"""The divergence guard: a replica that has left physics is taken out and reported; the rest goes on."""

from typing import Any

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.state import MDState
from mlmd.systems import System


class DivergenceGuard:
    """Ends a replica whose interatomic distances leave a band about their equilibrium values or are not numbers.

    Its positions and velocities become NaN, so every later frame says so, and its step is kept. The distances of all
    pairs are watched: atoms that are not bonded change theirs by a smaller factor than a bond that breaks, and one
    band serves both. A molecule whose frame is lost has kicks that are no numbers, and is found by that.

    Args:
        shortest: least distance in units of the equilibrium distance.
        longest: greatest distance in the same unit.
        check_every: steps between checks; a divergence is dated by the check that found it.

    Raises:
        ConfigError: a band that does not hold the equilibrium, or a period below 1.
    """

    def __init__(self, *, shortest: float = 0.25, longest: float = 4.0, check_every: int = 100) -> None:
        if not 0.0 < shortest < 1.0 < longest:
            raise ConfigError(f"guard: needs 0 < shortest < 1 < longest, not {shortest} and {longest}")
        if check_every < 1:
            raise ConfigError(f"guard.check_every = {check_every} must be at least 1")
        self.shortest = shortest
        self.longest = longest
        self.check_every = check_every
        self.diverged_at: dict[int, int] = {}

    def bind(self, system: System, *, device: torch.device | str) -> None:
        """Forget earlier divergences and serve a new run of ``system``."""
        equilibrium = torch.tensor(system.equilibrium_A, dtype=torch.float64, device=device)
        self._pairs = torch.triu_indices(len(equilibrium), len(equilibrium), 1, device=device)
        self._equilibrium_distances = self._distances(equilibrium)
        self.diverged_at = {}

    def check(self, state: MDState) -> MDState:
        """The state with newly diverged replicas set to NaN and noted."""
        ratio = self._distances(state.positions) / self._equilibrium_distances
        sound = ((ratio > self.shortest) & (ratio < self.longest)).all(dim=-1)
        if bool(sound.all()):
            return state
        for replica in torch.nonzero(~sound).flatten().tolist():
            self.diverged_at.setdefault(replica, state.step)
        lost = ~sound[:, None, None]
        nan = float("nan")
        return MDState(state.step, state.positions.masked_fill(lost, nan), state.velocities.masked_fill(lost, nan))

    def state_dict(self) -> dict[str, Any]:
        """Plain values, for a restart file."""
        return {"diverged_at": dict(self.diverged_at)}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Continue with known divergences."""
        self.diverged_at = dict(values["diverged_at"])

    def _distances(self, positions: Tensor) -> Tensor:
        """Interatomic distances [..., pair] of positions [..., atom, xyz]."""
        first, second = self._pairs
        distances: Tensor = (positions[..., first, :] - positions[..., second, :]).norm(dim=-1)
        return distances
