"""Extended tight binding (GFN1-xTB, GFN2-xTB) by tblite."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlmd.errors import ConfigError, nearest
from mlmd.hamiltonians.electrons import Electrons, atomic_numbers
from mlmd.hamiltonians.method import (
    Array,
    ElectronicMethod,
    SinglePoint,
    check_counts,
    check_numbers,
    check_thresholds,
    not_converged,
)
from mlmd.hamiltonians.packages import one_thread, require
from mlmd.units import BOHR_A, BOLTZMANN_EV_PER_K, HARTREE_EV

METHODS = ("GFN2-xTB", "GFN1-xTB")

MIXER_DAMPING = 0.4
"""Of tblite; halved at every retry but the first."""


class Tblite(ElectronicMethod):
    """GFN2-xTB (C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019)) or GFN1-xTB.

    Each single point starts from the charges of the one before.

    Args:
        method: "GFN2-xTB" or "GFN1-xTB".
        accuracy: factor on tblite's thresholds of the self-consistent charges; smaller is tighter.
        max_iterations: of the self-consistent charges, before a calculation has failed.
        electronic_temperature_K: of the orbitals' occupation, K.
        charge: of the molecule, e; None takes that of the structure file, else 0.
        n_unpaired: number of unpaired electrons; None takes that of the structure file, else that of the ground state
            of the table or of ASE's database, else the fewest.
        n_processes: processes that share the replicas of a batch.
        n_retries: how often a calculation that does not converge is tried again: first from neutral atoms, then with
            the mixing damped and twice the iterations.

    Raises:
        ConfigError: a value out of range, an unknown method, or tblite is not installed.
    """

    def __init__(
        self,
        method: str = "GFN2-xTB",
        *,
        accuracy: float = 0.01,
        max_iterations: int = 250,
        electronic_temperature_K: float = 300.0,
        charge: int | None = None,
        n_unpaired: int | None = None,
        n_processes: int = 1,
        n_retries: int = 2,
    ) -> None:
        if method not in METHODS:
            raise ConfigError(f"tblite has no method {method!r}; {nearest(method, METHODS)}")
        require("tblite", method=method)
        self.name = self.method = method
        self.accuracy, self.electronic_temperature_K = accuracy, electronic_temperature_K
        self.charge, self.n_unpaired = charge, n_unpaired
        self.max_iterations, self.n_processes, self.n_retries = max_iterations, n_processes, n_retries
        check_thresholds(method, accuracy=accuracy, electronic_temperature_K=electronic_temperature_K)
        check_counts(method, max_iterations=max_iterations, n_processes=n_processes, n_retries=n_retries)

    @classmethod
    def label(cls, values: Mapping[str, Any]) -> str:
        """The method's own name."""
        return str(values.get("method", METHODS[0]))

    def single_point(self, symbols: tuple[str, ...]) -> SinglePoint:
        """Its own calculator, and the charges it ended with.

        Raises:
            ConfigError: the method has no parameters for an element, or that many unpaired electrons are impossible.
        """
        return _TblitePoint(self.for_electrons(Electrons(), symbols), symbols)


class _TblitePoint:
    def __init__(self, method: Tblite, symbols: tuple[str, ...]) -> None:
        from tblite import _libtblite
        from tblite.exceptions import TBLiteRuntimeError
        from tblite.interface import Calculator, Result

        self.method, self.symbols = method, symbols
        self.library, self.failure = str(_libtblite.__file__), TBLiteRuntimeError
        self.fresh: Callable[[], Any] = Result
        apart = 4.0 * np.arange(len(symbols))[:, None] * np.ones(3)  # until there are positions
        numbers = np.array(atomic_numbers(symbols))
        try:
            self.calculator = Calculator(
                method.method, numbers, apart, charge=float(method.charge or 0), uhf=method.n_unpaired or 0
            )
        except TBLiteRuntimeError as error:
            raise ConfigError(f"{method.name} does not know {' '.join(sorted(set(symbols)))} ({error})") from error
        self.calculator.set("verbosity", 0)
        self.calculator.set("accuracy", method.accuracy)
        self.calculator.set("temperature", method.electronic_temperature_K * BOLTZMANN_EV_PER_K / HARTREE_EV)
        self.calculator.set("max-iter", method.max_iterations)
        self.forget()

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Energy (eV) and forces (eV/A) at positions (A)."""
        with one_thread(self.library):
            try:
                self.calculator.update(positions / BOHR_A)
                self.calculator.singlepoint(self.result)
            except self.failure as error:
                self._retry(positions, error)
            energy, gradient = self.result["energy"], self.result["gradient"]
        return check_numbers(
            float(energy) * HARTREE_EV,
            gradient * (-HARTREE_EV / BOHR_A),
            name=self.method.name,
            symbols=self.symbols,
            positions=positions,
        )

    def forget(self) -> None:
        """The next call starts from neutral atoms."""
        self.result = self.fresh()

    def _retry(self, positions: Array, error: Exception) -> None:
        """Try again from neutral atoms, with less and less of each new density mixed in.

        Raises:
            CalculatorError: it does not help.
        """
        for attempt in range(self.method.n_retries):
            self.forget()
            self.calculator.set("max-iter", self.method.max_iterations * (2 if attempt else 1))
            self.calculator.set("mixer-damping", MIXER_DAMPING * 0.5**attempt)
            try:
                self.calculator.update(positions / BOHR_A)
                self.calculator.singlepoint(self.result)
                return
            except self.failure as again:
                error = again
            finally:
                self.calculator.set("max-iter", self.method.max_iterations)
                self.calculator.set("mixer-damping", MIXER_DAMPING)
        self.forget()
        raise not_converged(
            str(error),
            name=self.method.name,
            n_retries=self.method.n_retries,
            symbols=self.symbols,
            positions=positions,
            cure="raise hamiltonian.max_iterations or electronic_temperature_K",
        ) from error
