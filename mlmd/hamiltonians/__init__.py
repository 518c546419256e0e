"""Sources of true forces: analytic bonds, levels of theory, and a counter of their calls."""

from mlmd.hamiltonians.ase_method import AseMethod, require_calculator_class
from mlmd.hamiltonians.base import CountedHamiltonian, Hamiltonian
from mlmd.hamiltonians.bond import BondConstants, DiatomicBond
from mlmd.hamiltonians.electrons import Electrons
from mlmd.hamiltonians.gradient_check import require_gradient
from mlmd.hamiltonians.harmonic import HarmonicBond
from mlmd.hamiltonians.method import Method, SinglePoint, method_name
from mlmd.hamiltonians.morse import MorseBond
from mlmd.hamiltonians.pyscf_method import PySCF
from mlmd.hamiltonians.replicas import ReplicaHamiltonian
from mlmd.hamiltonians.tblite_method import Tblite

__all__ = [
    "AseMethod",
    "BondConstants",
    "CountedHamiltonian",
    "DiatomicBond",
    "Electrons",
    "Hamiltonian",
    "HarmonicBond",
    "Method",
    "MorseBond",
    "PySCF",
    "ReplicaHamiltonian",
    "SinglePoint",
    "Tblite",
    "method_name",
    "require_calculator_class",
    "require_gradient",
]
