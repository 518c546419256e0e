"""Any calculator of ASE as a level of theory."""

import copy
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlmd.errors import CalculatorError, ConfigError, nearest
from mlmd.hamiltonians.electrons import Electrons
from mlmd.hamiltonians.method import Array, Method, SinglePoint, check_counts, check_numbers, closest_pair


class AseMethod(Method):
    """A calculator of ASE by its dotted path, made afresh for each replica. ASE's units are ours: A, eV, eV/A.

    >>> AseMethod("ase.calculators.emt.EMT").name
    'EMT'

    Args:
        calculator: dotted path of a calculator class, or of a function that returns a calculator.
        arguments: what it is called with.
        n_processes: processes that share the replicas of a batch.
        n_retries: how often a calculation that fails is tried again, each time by a new calculator.
        name: for reports; by default the last part of the path.

    Raises:
        ConfigError: a number of processes or retries that is none.
    """

    is_checked = False

    def __init__(
        self,
        calculator: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        n_processes: int = 1,
        n_retries: int = 1,
        name: str | None = None,
    ) -> None:
        self.calculator: str | Callable[[], Any] = calculator
        self.arguments = dict(arguments or {})
        self.name = self.label({"calculator": calculator, "name": name})
        self.electrons = Electrons()
        self.n_processes, self.n_retries = n_processes, n_retries
        check_counts(self.name, n_processes=n_processes, n_retries=n_retries)

    @classmethod
    def of(
        cls, make: Callable[[], Any], *, name: str | None = None, n_processes: int = 1, n_retries: int = 1
    ) -> "AseMethod":
        """A method from Python: ``make`` returns a new calculator at every call, as a calculator class does.

        With more than one process it must be a function or class at the top of a module.

        >>> from ase.calculators.emt import EMT
        >>> AseMethod.of(EMT).name
        'EMT'
        """
        named = str(name or getattr(make, "__name__", type(make).__name__))
        method = cls(named, n_processes=n_processes, n_retries=n_retries, name=named)
        method.calculator = make
        return method

    @classmethod
    def label(cls, values: Mapping[str, Any]) -> str:
        """The given name, or the last part of the calculator's path."""
        return str(values.get("name") or str(values.get("calculator")).rsplit(".", 1)[-1])

    def make_calculator(self) -> Any:
        """A new calculator.

        Raises:
            ConfigError: there is none of this path, or it refuses the arguments.
        """
        make = _find(self.calculator) if isinstance(self.calculator, str) else self.calculator
        try:
            made = make(**self.arguments)
        except Exception as error:  # each calculator refuses in its own words
            raise ConfigError(
                f"{self.name} cannot be made with {self.arguments or 'no arguments'} "
                f"({_in_words(error)}): see hamiltonian.arguments"
            ) from error
        if not hasattr(made, "get_potential_energy"):
            raise ConfigError(f"{self.name} makes a {type(made).__name__}, which is no ASE calculator")
        return made

    def for_electrons(self, electrons: Electrons, symbols: tuple[str, ...]) -> "AseMethod":
        """The method for atoms that carry a charge and spin, as ASE's calculators read them."""
        method = copy.copy(self)
        method.electrons = electrons
        return method

    def single_point(self, symbols: tuple[str, ...]) -> SinglePoint:
        """Its own calculator and atoms.

        Raises:
            ConfigError: as `make_calculator`.
        """
        return _AsePoint(self, symbols)


class _AsePoint:
    def __init__(self, method: AseMethod, symbols: tuple[str, ...]) -> None:
        import ase  # not before it is needed: it takes a part of a second

        self.method, self.symbols = method, symbols
        self.atoms = ase.Atoms(symbols, positions=np.zeros((len(symbols), 3)))
        _charge(self.atoms, method.electrons)
        self.atoms.calc = method.make_calculator()

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Energy (eV) and forces (eV/A) at positions (A)."""
        self.atoms.set_positions(positions)
        for attempt in range(self.method.n_retries + 1):
            try:
                energy, forces = float(self.atoms.get_potential_energy()), np.array(self.atoms.get_forces())
                # With smeared occupations forces belong to the free energy, and "energy" is extrapolated to 0 K.
                energy = float(getattr(self.atoms.calc, "results", {}).get("free_energy", energy))
                break
            except Exception as error:  # each calculator fails in its own words
                self.forget()
                if attempt == self.method.n_retries or isinstance(error, NotImplementedError):
                    raise CalculatorError(self._why(error, positions)) from error
        return check_numbers(energy, forces, name=self.method.name, symbols=self.symbols, positions=positions)

    def forget(self) -> None:
        """A new calculator, since what the old one remembers is its own affair."""
        self.atoms.calc = self.method.make_calculator()

    def _why(self, error: Exception, positions: Array) -> str:
        if isinstance(error, NotImplementedError):  # ASE's PropertyNotImplementedError, or an element it does not know
            return (
                f"{self.method.name} cannot give energy and forces of {self.atoms.get_chemical_formula()} "
                f"({_in_words(error)}): choose another calculator"
            )
        tries = f" after {self.method.n_retries + 1} attempts" if self.method.n_retries else ""
        return (
            f"{self.method.name} failed{tries} ({_in_words(error)}; {closest_pair(self.symbols, positions)}): "
            "see its hamiltonian.arguments, raise hamiltonian.n_retries, or lower the time step"
        )


def _charge(atoms: Any, electrons: Electrons) -> None:
    """Give atoms the charge and spin of a molecule, in each of the ways in which calculators look for them."""
    n_atoms = len(atoms)
    if electrons.charge is not None:
        atoms.info["charge"] = electrons.charge
    if electrons.n_unpaired is not None:
        atoms.info["spin"] = electrons.n_unpaired + 1  # a multiplicity to those that read it
    if electrons.initial_charges is not None or electrons.charge:
        atoms.set_initial_charges(electrons.initial_charges or [(electrons.charge or 0) / n_atoms] * n_atoms)
    if electrons.initial_moments is not None or electrons.n_unpaired:
        atoms.set_initial_magnetic_moments(
            electrons.initial_moments or [(electrons.n_unpaired or 0) / n_atoms] * n_atoms
        )


def require_calculator_class(path: str) -> None:
    """Refuse a dotted path that is no calculator class of ASE, before anything of it is called.

    Raises:
        ConfigError: there is none of this path, or it is something else.
    """
    from ase.calculators.abc import GetPropertiesMixin

    found = _find(path)
    if not (isinstance(found, type) and issubclass(found, GetPropertiesMixin)):
        raise ConfigError(f"calculator {path!r} is no calculator class of ASE, and a file may name no other")


def _in_words(error: Exception) -> str:
    """An error in one line; many of ASE's calculators print more than one, or no text at all."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _find(path: str) -> Callable[..., Any]:
    """The class or function of a dotted path.

    Raises:
        ConfigError: there is none, with the nearest of what is there.
    """
    module_name, _, attribute = path.rpartition(".")
    if not module_name:
        raise ConfigError(f"calculator {path!r} must be a dotted path such as ase.calculators.emt.EMT")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        absent = getattr(error, "name", None) or ""
        if not (module_name + ".").startswith(absent + "."):  # the calculator's own imports fail
            raise ConfigError(f"calculator {path!r} needs the package {absent}, which is not installed") from error
        hint = nearest(module_name, _neighbours(absent)) if "." in absent else "is its package installed?"
        raise ConfigError(f"calculator {path!r}: there is no module {absent}; {hint}") from error
    if not callable(found := getattr(module, attribute, None)):
        known = [name for name, value in vars(module).items() if isinstance(value, type) and name[0] != "_"]
        raise ConfigError(f"calculator {path!r}: {module_name} has no {attribute}; {nearest(attribute, known)}")
    return found  # type: ignore[no-any-return]  # whatever is called with the arguments


def _neighbours(absent: str) -> list[str]:
    """Modules beside one that is not there."""
    package = importlib.import_module(absent.rpartition(".")[0])
    return [f"{package.__name__}.{each.name}" for each in pkgutil.iter_modules(getattr(package, "__path__", []))]
