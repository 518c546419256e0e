"""Replicas that have diverged are taken out and reported; the others continue."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.errors import CalculatorError, ConfigError
from mlmd.propagation.kicks import HamiltonianKick
from mlmd.state import MDState
from mlmd.systems import System


@dataclass(frozen=True, kw_only=True)
class DivergenceGuard:
    """When a replica counts as diverged: its interatomic distances leave a band about their equilibrium values.

    The distances of all pairs are watched: atoms that are not bonded change theirs by a smaller factor than a bond that
    breaks, and one band serves both. A molecule whose frame is lost has kicks that are no numbers, which is found
    too.

    Attributes:
        shortest: least distance in units of the equilibrium distance.
        longest: greatest distance in the same unit.
        check_every: steps between checks; a divergence is dated by the check that found it.

    Raises:
        ConfigError: a band that does not hold the equilibrium, or a period below 1.
    """

    shortest: float = 0.25
    longest: float = 4.0
    check_every: int = 100

    def __post_init__(self) -> None:
        if not 0.0 < self.shortest < 1.0 < self.longest:
            raise ConfigError(f"guard: needs 0 < shortest < 1 < longest, not {self.shortest} and {self.longest}")
        if self.check_every < 1:
            raise ConfigError(f"guard.check_every = {self.check_every} must be at least 1")


class DivergenceCheck:
    """The checks of one run.

    The positions and velocities of a diverged replica become NaN in every later frame.

    Args:
        guard: when a replica counts as diverged.
        system: what is simulated.
        device: where states live.

    Attributes:
        diverged_at: step at which a replica was found diverged, by replica.
    """

    def __init__(self, guard: DivergenceGuard, system: System, *, device: torch.device | str) -> None:
        self.guard = guard
        equilibrium = torch.tensor(system.equilibrium_A, dtype=torch.float64, device=device)
        self._pairs = torch.triu_indices(len(equilibrium), len(equilibrium), 1, device=device)
        self._equilibrium_distances = self._distances(equilibrium)
        self.diverged_at: dict[int, int] = {}

    def __call__(self, state: MDState, left_domain: Tensor | None = None) -> MDState:
        """The state with newly diverged replicas set to NaN and noted.

        Args:
            state: positions [replica, atom, xyz] and velocities.
            left_domain: replicas that are diverged for another reason, [replica]; None for no others.
        """
        ratio = self._distances(state.positions) / self._equilibrium_distances
        lost = ~((ratio > self.guard.shortest) & (ratio < self.guard.longest)).all(dim=-1)
        if left_domain is not None:
            lost |= left_domain
        if not bool(lost.any()):
            return state
        for replica in torch.nonzero(lost).flatten().tolist():
            self.diverged_at.setdefault(replica, state.step)
        nan, lost = float("nan"), lost[:, None, None]
        return MDState(state.step, state.positions.masked_fill(lost, nan), state.velocities.masked_fill(lost, nan))

    def _distances(self, positions: Tensor) -> Tensor:
        """Interatomic distances [..., pair] of positions [..., atom, xyz]."""
        first, second = self._pairs
        distances: Tensor = (positions[..., first, :] - positions[..., second, :]).norm(dim=-1)
        return distances


def kick_of_survivors(
    true: HamiltonianKick, state: MDState, check: DivergenceCheck, departed: Callable[[], Tensor | None]
) -> tuple[MDState, Tensor]:
    """The Hamiltonian kick of a state; where it cannot be calculated, that of the replicas that have not diverged.

    Args:
        true: the Hamiltonian kick.
        state: of all replicas.
        check: finds the replicas that have diverged since the last check.
        departed: returns the replicas that are diverged for another reason, or None.

    Returns:
        The state, whose newly diverged replicas are NaN, and the kick [replica, atom, xyz], A/fs.

    Raises:
        CalculatorError: the calculation fails for a replica that has not diverged.
    """
    try:
        return state, true.kick(state)
    except CalculatorError:
        n_diverged = len(check.diverged_at)
        state = check(state, departed())
        if len(check.diverged_at) == n_diverged:
            raise
        true.hamiltonian.n_calls -= 1
        return state, true.kick(state)
