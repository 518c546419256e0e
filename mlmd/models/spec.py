"""What a predictor is, in plain values: stored in every checkpoint, compared before every use."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from mlmd.decomposition import Decomposition, DiatomicVibration, LabCartesian, MolecularFrameCartesian
from mlmd.errors import ConfigError, MismatchError, nearest
from mlmd.systems import System
from mlmd.systems.modes import Vector
from mlmd.variants import COMPONENTS, TARGETS, variant_name

FRAMES = ("lab", "molecule")

SHORTCUTS = (True, False, "held")


@dataclass(frozen=True)
class PredictorSpec:
    """The variant (three axes), the network, the memory, and the system it belongs to.

    Attributes:
        components: "cartesian" (3) or "molecular" (D).
        target: "velocity" (v), the next half-step velocity, or "update" (u), its change. With the
            shortcut both give the same predictor, because a velocity then starts from the one that is read.
        coordinate_frames: R, the number of coordinate frames read beside the velocities.
        frame: "lab" or "molecule", the axes of Cartesian components; molecular components are in the molecule's anyway.
        hidden_size: width of the LSTM layers.
        n_layers: number of LSTM layers.
        shortcut: a linear map from the inputs, fitted by least squares, beside the LSTM; "held" fixes it to
            u_n = u_{n-1}, a kick that stays what it was; without it the plain stacked LSTM of the preprint.
        memory_kind: "carried" or "window".
        memory_length: history length of a window, steps.
        memory_warmup: steps before a carried state counts.
        system: name of the molecule.
        symbols: element symbols.
        masses_u: masses, u.
        dt_fs: the time step the predictor has learned, fs.
        history: pairs of velocity features and last update read at each step, the newest first.
        ridge: the fitted shortcut is that for noise of this standard deviation on the standardised inputs, beside the
            noise of training; without it a long history amplifies what an injection changes.
        network: False leaves the shortcut alone, a linear predictor; the LSTM's sizes and memory then mean nothing.
        reference_A: equilibrium positions, [atom][xyz], A, that the molecule's frame follows; None for two atoms, whose
            frame is the bond.
        modes: directions of `NormalModes` about them, [mode][atom][xyz]; None for two atoms.

    Raises:
        ConfigError: an axis has an unknown value, a size is not positive, or neither shortcut nor LSTM is left.
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
        _check_choice("components", self.components, COMPONENTS)
        _check_choice("target", self.target, TARGETS)
        _check_choice("frame", self.frame, FRAMES)
        if self.coordinate_frames < 0:
            raise ConfigError(f"model.coordinate_frames = {self.coordinate_frames} must not be negative")
        for name in ("hidden_size", "n_layers", "history"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} = {getattr(self, name)} must be at least 1")
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
        """The numbers that this variant reads and says."""
        if self.components == "molecular":
            return DiatomicVibration(self.masses_u, self.dt_fs)
        if self.frame == "molecule":
            return MolecularFrameCartesian(self.masses_u, self.dt_fs)
        return LabCartesian(self.masses_u)

    def check_system(self, system: System) -> None:
        """Refuse a system that this predictor has not learned.

        Raises:
            MismatchError: another molecule, other masses or another time step, each by name.
        """
        if system.symbols != self.symbols or not _same_masses(system.masses_u, self.masses_u):
            raise MismatchError(
                f"the predictor was trained for {self.system} ({_atoms(self.symbols, self.masses_u)}), "
                f"not for {system.name} ({_atoms(system.symbols, system.masses_u)}); train one for it"
            )
        if system.dt_fs != self.dt_fs:
            raise MismatchError(
                f"the predictor has learned dt_fs = {self.dt_fs}, the system asks for {system.dt_fs}; "
                f"use system.dt_fs={self.dt_fs} or train anew"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return asdict(self) | {"symbols": list(self.symbols), "masses_u": list(self.masses_u)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PredictorSpec":
        """The specification that ``to_dict`` wrote."""
        return cls(**values | {"symbols": tuple(values["symbols"]), "masses_u": tuple(values["masses_u"])})


def _check_choice(name: str, value: Any, known: Any) -> None:
    if value not in known:
        raise ConfigError(f"model.{name} = {value!r} is unknown: {nearest(str(value), map(str, known))}")


def _same_masses(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= 1e-6 * b for a, b in zip(first, second, strict=True))


def _atoms(symbols: tuple[str, ...], masses_u: tuple[float, ...]) -> str:
    return ", ".join(f"{symbol} {mass:.4f} u" for symbol, mass in zip(symbols, masses_u, strict=True))
