"""Energies and forces of successive geometries by PySCF; imported only where PySCF is needed.

It is PySCF's own field and gradient, converged as ever. What is saved does not change the answer: molecule and field
are made once, the density is guessed from those before (`density_guess`), values of orbitals on the grid are kept
through the iterations, and one atom's gradient follows from the others' (`pyscf_gradient`).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from pyscf import dft, gto, lib, scf
from pyscf.dft.numint import NumInt

from mlmd.errors import ConfigError, nearest
from mlmd.hamiltonians.density_guess import DensityGuess
from mlmd.hamiltonians.method import Array, check_numbers, not_converged
from mlmd.hamiltonians.molecule_frame import MoleculeFrame
from mlmd.hamiltonians.pyscf_gradient import gradient_of
from mlmd.units import BOHR_A, HARTREE_EV


class PyscfSettings(Protocol):
    """What is read of `mlmd.hamiltonians.PySCF`, with its meanings and units."""

    name: str
    method: str
    basis: str
    conv_tol: float
    conv_tol_grad: float
    max_cycle: int
    grid_level: int
    charge: int | None
    n_unpaired: int | None
    n_retries: int

    @property
    def on_grid(self) -> bool:
        """Whether it is a density functional."""
        ...


class PyscfPoint:
    """A molecule, its field, its frame and the densities that it has seen.

    Raises:
        ConfigError: PySCF does not know the functional, the basis, or the basis of an element.
    """

    def __init__(self, method: PyscfSettings, symbols: tuple[str, ...]) -> None:
        self.method, self.symbols = method, symbols
        self.molecule = _molecule(method, symbols)
        self.field = _field(method, self.molecule)
        self.frame, self.densities = MoleculeFrame(), DensityGuess()

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Energy (eV) and forces (eV/A) at positions (A).

        Raises:
            CalculatorError: the field does not converge, or its energy or forces are no numbers.
        """
        with lib.with_omp_threads(1):
            self.molecule.set_geom_(self.frame.turn(positions) / BOHR_A, unit="Bohr")
            self._converge(positions)
            gradient = self.frame.turn_back(gradient_of(self.field))
        return check_numbers(
            float(self.field.e_tot) * HARTREE_EV,
            gradient * (-HARTREE_EV / BOHR_A),
            name=self.method.name,
            symbols=self.symbols,
            positions=positions,
        )

    def forget(self) -> None:
        """The next call starts from superposed atoms, in the principal axes of its geometry."""
        self.densities.forget()
        self.frame.forget()

    def _converge(self, positions: Array) -> None:
        """Converge the field from earlier densities, else from superposed atoms, else by second-order iterations.

        Raises:
            CalculatorError: nothing helps.
        """
        self.field.reset(self.molecule)
        if self.method.on_grid:
            # Sorting is for molecules large enough for many orbitals to vanish at a point.
            self.field.grids.build(with_non0tab=True, sort_grids=False)
        overlap = self.molecule.intor("int1e_ovlp")
        guess = self.densities.guess(overlap, self.molecule.nelec[: 2 if self.method.n_unpaired else 1])
        failure = ""
        for attempt in range(self.method.n_retries + 1):
            start = None if guess is None or attempt else self._density(guess)
            failure = self._attempt(start, second_order=attempt > 1)
            if not failure:
                self.densities.remember(overlap, self._occupied())
                return
            self.densities.forget()
        raise not_converged(
            failure,
            name=self.method.name,
            n_retries=self.method.n_retries,
            symbols=self.symbols,
            positions=positions,
            cure="raise hamiltonian.max_cycle or n_retries",
        )

    def _attempt(self, start: Array | None, *, second_order: bool) -> str:
        """Converge once, and say what went wrong, if anything did."""
        field = self.field
        field.mo_coeff = field.mo_occ = None  # else PySCF starts from the last geometry's where there is no start
        solver = field.newton() if second_order else field
        with _kept_orbital_values(field), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of orbitals that atoms too close together make dependent
            try:
                solver.kernel(dm0=start)
            except (RuntimeError, ValueError, ArithmeticError) as error:
                return " ".join(str(error).split())[:200]
        if not solver.converged:
            return f"max_cycle = {self.method.max_cycle} is not enough"
        if second_order:
            field.mo_coeff, field.mo_occ, field.mo_energy = solver.mo_coeff, solver.mo_occ, solver.mo_energy
            field.e_tot, field.converged = solver.e_tot, True
        return ""

    def _density(self, occupied: list[Array]) -> Array:
        """Density matrix of occupied orbitals, as PySCF has it."""
        if self.method.n_unpaired:
            return np.stack([each @ each.T for each in occupied])
        return 2.0 * occupied[0] @ occupied[0].T

    def _occupied(self) -> list[Array]:
        """Coefficients of the occupied orbitals, for each spin where spins differ."""
        coefficients, occupations = self.field.mo_coeff, self.field.mo_occ
        if self.method.n_unpaired:
            return [each[:, n > 0] for each, n in zip(coefficients, occupations, strict=True)]
        return [coefficients[:, occupations > 0]]


def _molecule(method: PyscfSettings, symbols: tuple[str, ...]) -> Any:
    apart = [(symbol, (0.0, 0.0, 4.0 * index)) for index, symbol in enumerate(symbols)]  # until there are positions
    elements = sorted(set(symbols))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another package that may know the basis
            return gto.M(
                atom=apart,
                basis=method.basis,
                ecp={symbol: method.basis for symbol in elements if gto.basis.load_ecp(method.basis, symbol)},
                unit="Bohr",
                charge=method.charge,
                spin=method.n_unpaired,
                verbose=0,
            )
    except (RuntimeError, KeyError) as error:  # no such basis, or not for this element
        known = nearest(method.basis, gto.basis.ALIAS)
        raise ConfigError(f"PySCF has no basis {method.basis!r} for {' '.join(elements)}; {known}") from error


def _field(method: PyscfSettings, molecule: Any) -> Any:
    """Hartree-Fock or Kohn-Sham, spins apart where electrons are unpaired."""
    if not method.on_grid:
        field = scf.UHF(molecule) if method.n_unpaired else scf.RHF(molecule)
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what B3LYP meant before PySCF 2.3
                dft.libxc.xc_type(method.method)
        except (KeyError, ValueError) as error:
            known = [name for name in dft.libxc.XC_CODES if isinstance(name, str)]
            raise ConfigError(f"PySCF has no functional {method.method!r}; {nearest(method.method, known)}") from error
        field = dft.UKS(molecule, xc=method.method) if method.n_unpaired else dft.RKS(molecule, xc=method.method)
        field.grids.level = method.grid_level
        field._numint = _KeptOrbitals()
    field.conv_tol, field.conv_tol_grad, field.max_cycle = method.conv_tol, method.conv_tol_grad, method.max_cycle
    if getattr(field, "_chkfile", None) is not None:
        field._chkfile.close()
    field.chkfile = None  # no file is written at every iteration
    field.conv_check = False  # one more iteration after convergence, whose thresholds are tight enough without
    return field


class _KeptOrbitals(NumInt):  # type: ignore[misc]  # PySCF has no types
    """Values of orbitals on the grid, computed once a geometry rather than once an iteration."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[Any, tuple[Array, Array]] | None = None

    def eval_ao(self, mol: Any, coords: Array, deriv: int = 0, *args: Any, **options: Any) -> Array:
        """Values [..., point, orbital] at grid points; kept while an iteration runs."""
        if self.kept is None:
            return super().eval_ao(mol, coords, deriv, *args, **options)  # type: ignore[no-any-return]
        key = (coords.ctypes.data, coords.shape, deriv)
        if key not in self.kept:
            options.pop("out", None)  # a buffer that the next block of points would overwrite
            self.kept[key] = coords, super().eval_ao(mol, coords, deriv, *args, **options)  # coords keep their address
        return self.kept[key][1]


@contextmanager
def _kept_orbital_values(field: Any) -> Iterator[None]:
    """Keeps values of orbitals while a field is converged; they are large, and of no use at the next geometry."""
    integrator = getattr(field, "_numint", None)
    if not isinstance(integrator, _KeptOrbitals):
        yield
        return
    integrator.kept = {}
    try:
        yield
    finally:
        integrator.kept = None
