"""Internal motion of a molecule: bonds, rates whose spectra hold the vibrational lines, kinetic energies.

Two atoms have one bond and one line, from the rate of the bond length. More atoms have the bonds of their equilibrium
geometry, which scores and figures pool, and lines from the rates of their normal coordinates; modes of the same
wavenumber share a line.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from ase.data import atomic_numbers, covalent_radii
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.observables.dynamics import bond_velocity
from mlmd.observables.molecular_frame import BentMoleculeFrame, LinearMoleculeFrame
from mlmd.observables.momenta import KineticPartition, partition_kinetic_energy
from mlmd.observables.rigid import partition_of_molecule, reference_axis
from mlmd.observables.structure import bond_lengths, pair_lengths, pair_rates
from mlmd.systems import NormalModes, System

BONDED = 1.3
"""Atoms nearer than this times the sum of their covalent radii at rest are bonded: covalent bonds are within 1.15."""

SAME_LINE_CM1 = 2.0
"""Modes nearer than this share a line: finite differences split degenerate modes by less, and 16 ps resolve no more."""

Rates = Callable[[Tensor, Tensor], Tensor]
"""Rates [replica, time, mode] of the next frames' positions, A, and on-step velocities, A/fs."""


@dataclass(frozen=True)
class SpectralLine:
    """A vibrational line.

    Attributes:
        modes: modes whose rates have this line in their spectrum.
        harmonic_cm1: wavenumber in the limit of small amplitudes; None if it is not known.
    """

    modes: tuple[int, ...]
    harmonic_cm1: float | None


class InternalMotion(ABC):
    """The observed internal motion of a system.

    Attributes:
        n_bonds: number of bonds.
        first_bond: name of the first bond, e.g. "O1-H2"; empty if there is only one.
        lines: vibrational lines, every mode in one of them.
    """

    n_bonds: int
    first_bond: str
    lines: tuple[SpectralLine, ...]

    @property
    def n_modes(self) -> int:
        """Number of observed rates."""
        return sum(len(line.modes) for line in self.lines)

    @property
    @abstractmethod
    def has_modes(self) -> bool:
        """True if the rates are those of normal coordinates, sqrt(u) A/fs; False if that of a bond, A/fs."""

    @abstractmethod
    def lengths(self, positions: Tensor) -> Tensor:
        """Bond lengths, A, [replica, time, bond] of [replica, time, atom, xyz]."""

    @abstractmethod
    def first_rate(self, positions: Tensor, velocities: Tensor) -> Tensor:
        """Rate of the first bond's length, A/fs, [replica, time]."""

    @abstractmethod
    def follow(self) -> Rates:
        """A function that returns the rates of the next stretch of frames, from a run's first frame on.

        Its frames have to be finite.
        """

    @abstractmethod
    def partition(self, positions: Tensor, velocities: Tensor, masses: Tensor) -> KineticPartition:
        """Kinetic energy by motion, see `momenta.partition_kinetic_energy`."""


class DiatomicMotion(InternalMotion):
    """Two atoms."""

    n_bonds, first_bond, lines = 1, "", (SpectralLine((0,), None),)

    @property
    def has_modes(self) -> bool:
        """False."""
        return False

    def lengths(self, positions: Tensor) -> Tensor:
        """See `structure.bond_lengths`."""
        return bond_lengths(positions).unsqueeze(-1)

    def first_rate(self, positions: Tensor, velocities: Tensor) -> Tensor:
        """See `dynamics.bond_velocity`."""
        return bond_velocity(positions, velocities)

    def follow(self) -> Rates:
        """The rate of the bond length."""
        return lambda positions, velocities: bond_velocity(positions, velocities).unsqueeze(-1)

    def partition(self, positions: Tensor, velocities: Tensor, masses: Tensor) -> KineticPartition:
        """Along and across the bond."""
        return partition_kinetic_energy(positions, velocities, masses)


class MoleculeMotion(InternalMotion):
    """Three atoms or more.

    Args:
        symbols: element symbols.
        masses_u: masses, u.
        equilibrium_A: positions at rest, [atom][xyz], A.
        modes: vibrations about them.
    """

    def __init__(
        self,
        symbols: tuple[str, ...],
        masses_u: tuple[float, ...],
        equilibrium_A: tuple[tuple[float, float, float], ...],
        modes: NormalModes,
    ) -> None:
        self._masses = torch.tensor(masses_u, dtype=torch.float64)
        self._reference = torch.tensor(equilibrium_A, dtype=torch.float64)
        self._weighted = torch.tensor(modes.vectors, dtype=torch.float64) * self._masses.sqrt().unsqueeze(-1)
        self._follower = LinearMoleculeFrame if modes.is_linear else BentMoleculeFrame
        self._heights = self._reference @ reference_axis(self._reference) if modes.is_linear else None
        self.bonds = bonded_pairs(symbols, self._reference)
        self.n_bonds = len(self.bonds)
        first, second = self.bonds[0]
        self.first_bond = f"{symbols[first]}{first + 1}-{symbols[second]}{second + 1}"
        self.lines = lines_of_modes(modes.wavenumbers_cm1)

    @property
    def has_modes(self) -> bool:
        """True."""
        return True

    def lengths(self, positions: Tensor) -> Tensor:
        """The length of every bonded pair."""
        return pair_lengths(positions, self.bonds)

    def first_rate(self, positions: Tensor, velocities: Tensor) -> Tensor:
        """The rate of the first bonded pair."""
        return pair_rates(positions, velocities, self.bonds[:1])[..., 0]

    def follow(self) -> Rates:
        """The rates of the normal coordinates in the molecule's own frame, see `mlmd.observables.molecular_frame`."""
        follower = self._follower(self._masses, self._reference)
        weighted = self._weighted.flatten(1)
        return lambda positions, velocities: follower.follow(positions, velocities).flatten(-2) @ weighted.mT

    def partition(self, positions: Tensor, velocities: Tensor, masses: Tensor) -> KineticPartition:
        """See `mlmd.observables.rigid`."""
        return partition_of_molecule(positions, velocities, masses, heights=self._heights)


def internal_motion_of(system: System) -> InternalMotion:
    """The internal motion that is observed of a system.

    Raises:
        ConfigError: more than two atoms without normal modes.
    """
    if system.n_atoms == 2:
        return DiatomicMotion()
    if system.modes is None:
        raise ConfigError(
            f"system {system.name} has {system.n_atoms} atoms and no normal modes, so its lines are unknown; "
            "make it with system=molecule"
        )
    return MoleculeMotion(system.symbols, system.masses_u, system.equilibrium_A, system.modes)


def bonded_pairs(symbols: tuple[str, ...], reference: Tensor) -> tuple[tuple[int, int], ...]:
    """Pairs of atoms that are bonded at rest, or the closest pair where none is.

    Args:
        symbols: element symbols.
        reference: positions at rest [atom, xyz], A.
    """
    radii = torch.tensor([covalent_radii[atomic_numbers[symbol]] for symbol in symbols], dtype=torch.float64)
    reach = torch.cdist(reference, reference) / (radii.unsqueeze(0) + radii.unsqueeze(1))
    pairs = [(i, j) for i in range(len(symbols)) for j in range(i + 1, len(symbols))]
    bonded = tuple(pair for pair in pairs if float(reach[pair]) < BONDED)
    return bonded or (min(pairs, key=lambda pair: float(reach[pair])),)


def lines_of_modes(wavenumbers_cm1: tuple[float, ...]) -> tuple[SpectralLine, ...]:
    """Lines of modes that are sorted by wavenumber; a mode within `SAME_LINE_CM1` of the one before shares its line.

    >>> [line.modes for line in lines_of_modes((667.0, 667.3, 1333.0))]
    [(0, 1), (2,)]
    """
    groups: list[list[int]] = []
    for mode, wavenumber in enumerate(wavenumbers_cm1):
        if groups and wavenumber - wavenumbers_cm1[groups[-1][-1]] < SAME_LINE_CM1:
            groups[-1].append(mode)
        else:
            groups.append([mode])
    return tuple(
        SpectralLine(tuple(group), sum(wavenumbers_cm1[mode] for mode in group) / len(group)) for group in groups
    )
