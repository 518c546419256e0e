"""Where true forces come from: analytic bonds, and a counter that counts every call."""

from mlmd.hamiltonians.base import CountedHamiltonian, Hamiltonian
from mlmd.hamiltonians.bond import BondConstants, DiatomicBond
from mlmd.hamiltonians.harmonic import HarmonicBond
from mlmd.hamiltonians.method import Method, SinglePoint
from mlmd.hamiltonians.morse import MorseBond

__all__ = [
    "BondConstants",
    "CountedHamiltonian",
    "DiatomicBond",
    "Hamiltonian",
    "HarmonicBond",
    "Method",
    "MorseBond",
    "SinglePoint",
]
