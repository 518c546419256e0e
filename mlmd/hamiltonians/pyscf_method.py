"""Hartree-Fock and density functionals by PySCF."""

from collections.abc import Mapping
from typing import Any

from mlmd.errors import ConfigError
from mlmd.hamiltonians.electrons import Electrons
from mlmd.hamiltonians.method import ElectronicMethod, SinglePoint, check_counts, check_thresholds
from mlmd.hamiltonians.packages import require


class PySCF(ElectronicMethod):
    """Hartree-Fock, or Kohn-Sham with any functional and basis that PySCF knows; spins apart if electrons are unpaired.

    Args:
        method: "HF", "B3LYP", "PBE" or another functional in PySCF's words.
        basis: any that PySCF knows, such as "STO-3G" or "def2-SVP".
        conv_tol: largest change of the energy in the last iteration, Hartree.
        conv_tol_grad: largest norm of the orbital gradient, which is what forces are as accurate as, Hartree.
        max_cycle: iterations before a calculation has failed.
        grid_level: of the functional's grid, 0 to 9.
        charge: of the molecule, e; None takes that of the structure file, else 0.
        n_unpaired: number of unpaired electrons; None takes that of the structure file, else that of the ground state
            of the table or of ASE's database, else the fewest.
        n_processes: processes that share the replicas of a batch.
        n_retries: how often a calculation that does not converge is tried again: first from superposed atoms, then by
            second-order iterations.

    Raises:
        ConfigError: a value out of range, or PySCF is not installed.
    """

    def __init__(
        self,
        method: str = "HF",
        basis: str = "STO-3G",
        *,
        conv_tol: float = 1e-10,
        conv_tol_grad: float = 1e-6,
        max_cycle: int = 50,
        grid_level: int = 2,
        charge: int | None = None,
        n_unpaired: int | None = None,
        n_processes: int = 1,
        n_retries: int = 2,
    ) -> None:
        self.method, self.basis = method, basis
        self.name = self.label({"method": method, "basis": basis})
        require("pyscf", method=self.name)
        self.conv_tol, self.conv_tol_grad, self.max_cycle, self.grid_level = (
            conv_tol,
            conv_tol_grad,
            max_cycle,
            grid_level,
        )
        self.charge, self.n_unpaired = charge, n_unpaired
        self.n_processes, self.n_retries = n_processes, n_retries
        check_thresholds(self.name, conv_tol=conv_tol, conv_tol_grad=conv_tol_grad)
        check_counts(self.name, max_cycle=max_cycle, n_processes=n_processes, n_retries=n_retries)
        if not 0 <= grid_level <= 9:
            raise ConfigError(f"{self.name}: grid_level = {grid_level} must be from 0 to 9")

    @property
    def on_grid(self) -> bool:
        """Whether it is a density functional, which is integrated on a grid."""
        return self.method.upper() != "HF"

    @classmethod
    def label(cls, values: Mapping[str, Any]) -> str:
        """Method and basis, "B3LYP/def2-SVP"."""
        return f"{values.get('method', 'HF')}/{values.get('basis', 'STO-3G')}"

    def single_point(self, symbols: tuple[str, ...]) -> SinglePoint:
        """Its own molecule and field, and the densities it has seen.

        Raises:
            ConfigError: PySCF does not know the functional, the basis, or the basis of an element, or that many
                unpaired electrons are impossible.
        """
        from mlmd.hamiltonians.pyscf_point import PyscfPoint

        return PyscfPoint(self.for_electrons(Electrons(), symbols), symbols)
