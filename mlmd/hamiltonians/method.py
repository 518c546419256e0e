"""Levels of theory: methods that compute energy and forces for one geometry at a time."""

import copy
import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from mlmd.errors import CalculatorError, ConfigError
from mlmd.hamiltonians.electrons import Electrons, check_unpaired

Array = np.ndarray[Any, Any]


class SinglePoint(Protocol):
    """Energy and forces of one geometry after the other; it may remember what makes the next one cheaper."""

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Energy, eV, and forces [atom, xyz], eV/A, at positions [atom, xyz], A.

        Raises:
            CalculatorError: it does not converge, or gives what are no numbers.
        """
        ...

    def forget(self) -> None:
        """Drop what is remembered, so that the next call does not depend on those before."""
        ...


class Method(ABC):
    """A level of theory; with atoms it becomes a Hamiltonian. Plain values that another process can be sent.

    Public attributes are what decides energies, and the number of processes; a cache of minima reads them.

    Attributes:
        name: for reports, such as "GFN2-xTB" or "B3LYP/def2-SVP".
        n_processes: processes that share the replicas of a batch.
        remembers: its single points start from what they found before, so that their last digits depend on it.
        is_checked: whether tests of this package show that its forces are minus the gradient of its energy; where not,
            each run checks it once.
    """

    remembers: ClassVar[bool] = True
    is_checked: ClassVar[bool] = True
    name: str
    n_processes: int

    @classmethod
    def label(cls, values: Mapping[str, Any]) -> str:
        """The name that a method of these arguments has, without making it."""
        return str(values.get("name") or cls.__name__)

    def for_electrons(self, electrons: Electrons, symbols: tuple[str, ...]) -> Self:
        """This method for a molecule of a given charge and spin; ``symbols`` are its elements.

        Raises:
            ConfigError: the method has a charge or spin of its own that differs, or can have none.
        """
        electrons.require(name=self.name, charge=0, n_unpaired=0)
        return self

    @abstractmethod
    def single_point(self, symbols: tuple[str, ...]) -> SinglePoint:
        """A fresh calculator for atoms of these elements.

        Raises:
            ConfigError: the package that computes is not installed (the extra is named), or it does not know an
                element, a method or a basis.
        """


class ElectronicMethod(Method):
    """A level of theory that needs the charge and spin of a molecule.

    Attributes:
        charge: of the molecule, e; None takes that of the structure file, else 0.
        n_unpaired: number of unpaired electrons; None takes that of the structure file, else that of the ground state
            of the table or of ASE's database, else the fewest.
    """

    charge: int | None
    n_unpaired: int | None

    def for_electrons(self, electrons: Electrons, symbols: tuple[str, ...]) -> Self:
        """The method with the charge and spin of a molecule, where it has none of its own.

        Raises:
            ConfigError: its own differ from those of the structure file, or that many unpaired electrons are
                impossible.
        """
        electrons.require(name=self.name, charge=self.charge, n_unpaired=self.n_unpaired)
        settled = copy.copy(self)
        settled.charge, settled.n_unpaired = electrons.settled(symbols, charge=self.charge, n_unpaired=self.n_unpaired)
        check_unpaired(symbols, charge=settled.charge, n_unpaired=settled.n_unpaired, name=self.name)
        return settled


def method_name(node: Mapping[str, Any]) -> str | None:
    """The name of a configured level of theory, without making it; None where the node is something else.

    >>> method_name({"_target_": "mlmd.hamiltonians.PySCF", "method": "B3LYP", "basis": "def2-SVP"})
    'B3LYP/def2-SVP'
    """
    module, _, name = str(node["_target_"]).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:  # of a run made elsewhere
        return None
    return found.label(node) if isinstance(found, type) and issubclass(found, Method) else None


def check_counts(name: str, **counts: int) -> None:
    """Refuse numbers of processes, retries and cycles that are none.

    Raises:
        ConfigError: one is below its least value, which is 0 for retries and 1 for others.
    """
    for key, count in counts.items():
        least = 0 if key == "n_retries" else 1
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise ConfigError(f"{name}: {key} = {count!r} must be a whole number, at least {least}")


def check_thresholds(name: str, **thresholds: float) -> None:
    """Refuse thresholds and temperatures that are not positive.

    Raises:
        ConfigError: one is not.
    """
    for key, value in thresholds.items():
        if not 0 < value < math.inf:
            raise ConfigError(f"{name}: {key} = {value} must be positive")


def check_numbers(
    energy: float, forces: Array, *, name: str, symbols: tuple[str, ...], positions: Array
) -> tuple[float, Array]:
    """Energy and forces, if they are numbers.

    Raises:
        CalculatorError: they are not; the closest pair of atoms is named, since that is mostly the reason.
    """
    if math.isfinite(energy) and np.isfinite(forces).all():
        return energy, forces
    what = "forces that are no numbers" if math.isfinite(energy) else "an energy that is no number"
    raise CalculatorError(
        f"{name} gave {what} ({closest_pair(symbols, positions)}): look at this geometry, "
        "lower the time step or the energy, or choose another method"
    )


def closest_pair(symbols: tuple[str, ...], positions: Array) -> str:
    """The two atoms that are nearest each other, in words, counted from 0 as ASE does.

    >>> closest_pair(("O", "H", "H"), np.array([[0.0, 0, 0], [0.95, 0, 0], [0.1, 0, 0]]))
    'closest atoms: O0 and H2 at 0.100 A'
    """
    if len(symbols) < 2:
        return "one atom"
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    distances[np.diag_indices(len(symbols))] = math.inf
    first, second = sorted(int(index) for index in np.unravel_index(distances.argmin(), distances.shape))
    pair = f"{symbols[first]}{first} and {symbols[second]}{second}"
    return f"closest atoms: {pair} at {distances[first, second]:.3f} A"


def not_converged(
    why: str, *, name: str, n_retries: int, symbols: tuple[str, ...], positions: Array, cure: str
) -> CalculatorError:
    """What to say of a calculation that no retry helps.

    Args:
        why: the program's own message.
        name: of the method.
        n_retries: how often it was tried again.
        symbols: element symbols.
        positions: where it failed, A.
        cure: settings that may help.
    """
    tries = f" in {n_retries + 1} attempts" if n_retries else ""
    return CalculatorError(
        f"{name} does not converge{tries} ({why}; {closest_pair(symbols, positions)}): {cure}, "
        "or lower the time step or the energy"
    )
