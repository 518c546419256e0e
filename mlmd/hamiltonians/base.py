"""The contract of Hamiltonians, and the counter of force calls."""

import time
from typing import Protocol

from torch import Tensor


class Hamiltonian(Protocol):
    """A potential energy surface, evaluated for a batch of replicas at once."""

    def energy_and_forces(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Potential energy and forces.

        Args:
            positions: float64 [..., atom, xyz], A.

        Returns:
            Energy [...], eV, and forces [..., atom, xyz], eV/A.
        """
        ...


class CountedHamiltonian:
    """A Hamiltonian that counts its calls: one call is one force evaluation of every replica in the batch.

    Attributes:
        n_calls: force evaluations per replica so far.
        seconds: wall-clock time spent in them since `take_seconds`.
    """

    def __init__(self, hamiltonian: Hamiltonian) -> None:
        self.hamiltonian = hamiltonian
        self.n_calls = 0
        self.seconds = 0.0

    def energy_and_forces(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy (eV) and forces (eV/A) at ``positions``, counted."""
        self.n_calls += 1
        began = time.perf_counter()
        result = self.hamiltonian.energy_and_forces(positions)
        self.seconds += time.perf_counter() - began
        return result

    def take_seconds(self) -> float:
        """Wall-clock time spent in calls since the last question, s."""
        taken, self.seconds = self.seconds, 0.0
        return taken
