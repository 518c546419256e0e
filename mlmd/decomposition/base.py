"""The contract of decompositions: velocities to model inputs, and model outputs to velocity changes."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor

from mlmd.errors import ConfigError


@dataclass(frozen=True)
class Frame:
    """What a decomposition derives from one state, so that encode, project and decode share the work."""


FrameT = TypeVar("FrameT", bound=Frame)

Positions = tuple[tuple[float, float, float], ...]
"""[atom][xyz], A."""


@dataclass(frozen=True)
class Molecule:
    """What a decomposition is made from.

    Attributes:
        name: for messages.
        masses_u: masses, u.
        dt_fs: time step, fs.
        equilibrium_A: positions at the minimum; None where they are not known.
        modes: directions of normal modes about them, [mode][atom][xyz]; None where they are not known.
    """

    name: str
    masses_u: tuple[float, ...]
    dt_fs: float
    equilibrium_A: Positions | None = None
    modes: tuple[Positions, ...] | None = None

    def reference_and_modes(self) -> tuple[Positions, tuple[Positions, ...]]:
        """Equilibrium positions and normal modes.

        Raises:
            ConfigError: they are not known.
        """
        if self.equilibrium_A is None or self.modes is None:
            raise ConfigError(
                f"this model (model.components, model.frame) of more than two atoms needs the equilibrium geometry and "
                f"normal modes of {self.name}: use a system that has them (system=molecule)"
            )
        return self.equilibrium_A, self.modes


class Decomposition(ABC, Generic[FrameT]):
    """Maps a state to model inputs, and model outputs to a velocity change.

    A half-step velocity v_{n-1/2} lives between r_{n-1} and r_n, a kick u_n at r_n. Velocities that are read are
    therefore expressed about the middle of their step, kicks at its end; r_{n-1} = r_n - dt v_{n-1/2} needs no memory.
    Tensors have shape [..., atom, xyz]; the leading axes (replica, or replica and time) are free.

    Attributes:
        n_features: numbers ``encode`` gives.
        n_components: numbers ``project`` gives and ``decode`` takes.
        n_coordinates: numbers ``coordinates`` gives.

    The header of a class names its ``model.components`` and, where several share the name, for which
    ``model.frame`` and how many atoms. A class without a name is chosen by its dotted path.
    """

    registered: ClassVar[dict[str, list[type["Decomposition[Any]"]]]] = {}
    for_frame: ClassVar[str | None] = None
    for_n_atoms: ClassVar[int | None] = None

    def __init_subclass__(
        cls, *, components: str | None = None, frame: str | None = None, n_atoms: int | None = None, **keywords: Any
    ) -> None:
        super().__init_subclass__(**keywords)
        if components is not None:
            cls.for_frame, cls.for_n_atoms = frame, n_atoms
            Decomposition.registered.setdefault(components, []).append(cls)

    @classmethod
    @abstractmethod
    def of(cls, molecule: Molecule) -> "Decomposition[FrameT]":
        """The decomposition for a molecule.

        Raises:
            ConfigError: the molecule lacks what it needs.
        """

    n_features: int
    n_components: int
    n_coordinates: int

    @abstractmethod
    def frame(self, positions: Tensor, velocities: Tensor) -> FrameT:
        """The frame of the states with positions r_n (A) and velocities v_{n-1/2} (A/fs)."""

    @abstractmethod
    def encode(self, frame: FrameT, velocities: Tensor) -> Tensor:
        """Velocity features [..., n_features] of v_{n-1/2}."""

    @abstractmethod
    def project(self, frame: FrameT, vectors: Tensor) -> Tensor:
        """Components [..., n_components] of a velocity or a velocity change [..., atom, xyz] at r_n, A/fs."""

    @abstractmethod
    def decode(self, frame: FrameT, components: Tensor) -> Tensor:
        """The velocity change [..., atom, xyz] with the given components: project(decode(c)) = c."""

    def departed(self, positions: Tensor) -> Tensor | None:
        """Replicas whose positions [replica, atom, xyz] (A) are not described, [replica]; None if all are."""
        return None

    def check_domain(self, positions: Tensor, *, name: str, symbols: tuple[str, ...], step: int) -> None:
        """Refuse positions [replica, atom, xyz], A, that this does not describe; most describe all.

        Raises:
            PhysicsError: a replica has left the domain at ``step`` of the molecule called ``name``.
        """

    @abstractmethod
    def coordinates(self, frame: FrameT, positions: Tensor) -> Tensor:
        """One coordinate frame [..., n_coordinates], A: positions r_n as the network may read them (R > 0)."""
