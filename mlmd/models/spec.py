"""The specification of a predictor in plain values: stored in every checkpoint, compared before every use."""

import math
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal, get_type_hints

from mlmd.decomposition import Decomposition, Molecule
from mlmd.errors import ConfigError, MismatchError, nearest, short
from mlmd.model_codes import TARGETS, variant_name
from mlmd.plain_types import fits, in_words
from mlmd.registered import find_class
from mlmd.systems import System
from mlmd.systems.modes import Vector

FRAMES = ("lab", "molecule")

MAX_SIZES = {"hidden_size": 4096, "n_layers": 64, "history": 10_000}
"""Bounds far above what is useful; a file cannot ask for more memory than a machine has."""

MAX_MASS_U = 1000.0
"""Upper bound of a mass; no atom is nearly as heavy."""

SHORTCUTS = (True, False, "held")

ISOMER_A = 0.2
"""Two equilibrium geometries with a larger difference of a distance are isomers; levels of theory differ by less."""


@dataclass(frozen=True)
class PredictorSpec:
    """The variant (three axes), the network, the memory, and the system it belongs to.

    Attributes:
        components: "cartesian" (3), "molecular" (D), or the dotted path of a `Decomposition`.
        target: "velocity" (v), the next half-step velocity, or "update" (u), its change. With the
            shortcut both give the same predictor, because a velocity then starts from the one that is read.
        coordinate_frames: R, the number of coordinate frames read beside the velocities.
        frame: "lab" or "molecule", the axes of Cartesian components; molecular components always use the molecule's.
        hidden_size: width of the LSTM layers.
        n_layers: number of LSTM layers.
        shortcut: whether a linear map of the inputs, fitted by least squares, is added to the LSTM; "held" fixes it to
            u_n = u_{n-1}, which repeats the last kick; False gives the plain stacked LSTM of the preprint.
        memory_kind: "carried", "window", or the dotted path of a `Memory`.
        memory_length: history length of a window, steps.
        memory_warmup: steps before a carried state has converged, whose outputs are not used.
        system: name of the molecule.
        symbols: element symbols.
        masses_u: masses, u.
        dt_fs: time step of the training data, fs.
        history: pairs of velocity features and last update read at each step, the newest first.
        ridge: standard deviation of noise on the standardised inputs for which the shortcut is fitted, in addition to
            the noise of training; without it a long history amplifies the changes that an injection makes.
        network: False gives a linear predictor, the shortcut alone; sizes and memory of the LSTM then have no effect.
        reference_A: equilibrium positions, [atom][xyz], A, that the molecule's frame follows; None for two atoms, whose
            frame is the bond.
        modes: directions of `NormalModes` about them, [mode][atom][xyz]; None for two atoms.

    Raises:
        ConfigError: an axis has an unknown value, a size is out of range, or there is neither shortcut nor LSTM.
    """

    components: str
    target: str
    coordinate_frames: int
    frame: str
    hidden_size: int
    n_layers: int
    shortcut: bool | Literal["held"]
    memory_kind: str
    memory_length: int | None
    memory_warmup: int | None
    system: str
    symbols: tuple[str, ...]
    masses_u: tuple[float, ...]
    dt_fs: float
    history: int = 1
    ridge: float = 0.0
    network: bool = True
    reference_A: tuple[Vector, ...] | None = None
    modes: tuple[tuple[Vector, ...], ...] | None = None

    def __post_init__(self) -> None:
        self._decomposition_class()
        _check_choice("target", self.target, TARGETS)
        _check_choice("frame", self.frame, FRAMES)
        if self.coordinate_frames < 0:
            raise ConfigError(f"model.coordinate_frames = {self.coordinate_frames} must not be negative")
        for name, most in MAX_SIZES.items():
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(f"model.{name} = {getattr(self, name)} must be from 1 to {most}")
        if len(self.symbols) != len(self.masses_u) or not all(0.0 < mass <= MAX_MASS_U for mass in self.masses_u):
            raise ConfigError(
                f"masses_u = {list(self.masses_u)} must be positive masses up to {MAX_MASS_U:g} u, one an atom of "
                f"{' '.join(self.symbols)}"
            )
        if not self.ridge >= 0:
            raise ConfigError(f"model.ridge = {self.ridge} must not be negative")
        _check_choice("shortcut", self.shortcut, SHORTCUTS)
        if not (self.shortcut or self.network):
            raise ConfigError(
                "model.shortcut = False and model.network = False leave nothing that predicts: set one of them to true"
            )

    @property
    def variant(self) -> str:
        """The code name, e.g. "3vR0"."""
        return variant_name(self.components, self.target, self.coordinate_frames)

    def decomposition(self) -> Decomposition[Any]:
        """The inputs and outputs of this variant, for its molecule.

        Raises:
            ConfigError: no class has this name, or it needs an equilibrium geometry and normal modes that are missing.
        """
        molecule = Molecule(self.system, self.masses_u, self.dt_fs, self.reference_A, self.modes)
        return self._decomposition_class().of(molecule)

    def _decomposition_class(self) -> type[Decomposition[Any]]:
        classes = Decomposition.registered.get(self.components)
        if classes is None:
            names = {name: known[0] for name, known in Decomposition.registered.items()}
            return find_class(self.components, names, Decomposition, key="model.components")
        n_atoms = len(self.masses_u)
        fitting = [
            each for each in classes if each.for_frame in (None, self.frame) and each.for_n_atoms in (None, n_atoms)
        ]
        return max(fitting, key=lambda each: each.for_n_atoms is not None)

    def check_system(self, system: System) -> None:
        """Require the system for which this predictor was trained.

        Raises:
            MismatchError: another molecule, isomer or order of atoms, other masses or another time step, each by name.
        """
        if system.symbols != self.symbols or not _same_masses(system.masses_u, self.masses_u):
            if _in_any_order(system.symbols, system.masses_u) == _in_any_order(self.symbols, self.masses_u):
                raise MismatchError(
                    f"the predictor was trained for {self.system} ({' '.join(self.symbols)}); {system.name} has the "
                    f"same atoms in another order ({' '.join(system.symbols)}): reorder them or train anew"
                )
            raise MismatchError(
                f"the predictor was trained for {self.system} ({_atoms(self.symbols, self.masses_u)}), "
                f"not for {system.name} ({_atoms(system.symbols, system.masses_u)}); train one for it"
            )
        if self.reference_A is not None:
            difference = _largest_difference(self.reference_A, system.equilibrium_A)
            if not difference <= ISOMER_A:
                raise MismatchError(
                    f"the predictor was trained for {self.system} with another equilibrium geometry than that of "
                    f"{system.name}: an interatomic distance differs by {difference:.2f} A (another isomer?); "
                    "train one for it"
                )
        if system.dt_fs != self.dt_fs:
            raise MismatchError(
                f"the predictor has learned dt_fs = {self.dt_fs}, the system asks for {system.dt_fs}; "
                f"use system.dt_fs={self.dt_fs} or train anew"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        values = asdict(self)
        return values | {name: _to_lists(values[name]) for name in _SEQUENCES}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PredictorSpec":
        """The specification that ``to_dict`` wrote.

        Raises:
            ConfigError: a value is not of the type of its field.
        """
        kinds = get_type_hints(cls)
        for name, value in values.items():
            if name in kinds and not fits(value, kinds[name]):
                raise ConfigError(f"model.{name} = {short(value, quoted=True)} must be {in_words(kinds[name])}")
        return cls(**values | {name: _to_tuples(values[name]) for name in _SEQUENCES})


_SEQUENCES = ("symbols", "masses_u", "reference_A", "modes")
"""Fields that hold tuples, which are lists in a checkpoint."""


def _to_lists(values: Any) -> Any:
    return [_to_lists(value) for value in values] if isinstance(values, tuple) else values


def _to_tuples(values: Any) -> Any:
    return tuple(_to_tuples(value) for value in values) if isinstance(values, (list, tuple)) else values


def _check_choice(name: str, value: Any, known: Any) -> None:
    if value not in known:
        raise ConfigError(f"model.{name} = {value!r} is unknown: {nearest(str(value), map(str, known))}")


def _same_masses(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= 1e-6 * b for a, b in zip(first, second, strict=True))


def _in_any_order(symbols: tuple[str, ...], masses_u: tuple[float, ...]) -> list[tuple[str, float]]:
    return sorted((symbol, round(mass, 4)) for symbol, mass in zip(symbols, masses_u, strict=True))


def _largest_difference(first_A: tuple[Vector, ...], second_A: tuple[Vector, ...]) -> float:
    """Largest difference between the interatomic distances of two geometries, A."""
    return max(
        abs(math.dist(first_A[i], first_A[j]) - math.dist(second_A[i], second_A[j]))
        for i, j in combinations(range(len(first_A)), 2)
    )


def _atoms(symbols: tuple[str, ...], masses_u: tuple[float, ...]) -> str:
    return ", ".join(f"{symbol} {mass:.4f} u" for symbol, mass in zip(symbols, masses_u, strict=True))
