"""The decomposition contract: velocities to numbers and numbers to velocity changes, by geometry alone."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor


@dataclass(frozen=True)
class Frame:
    """What a decomposition derives from one state, so that encode, project and decode share the work."""


FrameT = TypeVar("FrameT", bound=Frame)


class Decomposition(ABC, Generic[FrameT]):
    """Maps a state to numbers that a network reads and the numbers it says to a velocity change.

    A half-step velocity v_{n-1/2} lives between r_{n-1} and r_n, a kick u_n at r_n. Velocities that are read are
    therefore expressed about the middle of their step, kicks at its end; r_{n-1} = r_n - dt v_{n-1/2} needs no memory.
    Tensors have shape [..., atom, xyz]; the leading axes (replica, or replica and time) are free.

    Attributes:
        n_features: numbers ``encode`` gives.
        n_components: numbers ``project`` gives and ``decode`` takes.
        n_coordinates: numbers ``coordinates`` gives.
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
