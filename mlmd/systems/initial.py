"""Initial states: random phases and orientations at a fixed energy, or a thermal ensemble.

Every regime gives on-step positions r_0 and velocities v_0; the propagator makes v_{-1/2} of them with one force call.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from mlmd.errors import ConfigError
from mlmd.hamiltonians import DiatomicBond
from mlmd.systems.system import System
from mlmd.units import ACCELERATION, BOLTZMANN_EV_PER_K

KT_300K_EV = BOLTZMANN_EV_PER_K * 300.0
"""kT at 300 K, eV: the unit of the energy targets."""


class Regime(Protocol):
    """Draws initial states of a system."""

    def draw(self, system: System, n_replicas: int, *, generator: Generator) -> tuple[Tensor, Tensor]:
        """Positions (A) and on-step velocities (A/fs), float64 [replica, atom, xyz], centre of mass at rest."""
        ...

    def for_training(self) -> "Regime":
        """The regime that training trajectories are drawn from."""
        ...


@dataclass(frozen=True)
class RotatingRegime:
    """Fixed vibrational and rotational energy, random phase and orientation.

    The phase phi is uniform with V(r) = E cos^2 phi and KE = E sin^2 phi (for a harmonic bond: uniform in time). The
    angular momentum is L = sqrt(2 mu r_e^2 E_rot), so E_rot is the rotational energy at the equilibrium length.

    Attributes:
        vibrational_energy_kT: E in multiples of kT at 300 K.
        rotational_energy_kT: E_rot in the same unit; 0 for J = 0.
        vibrational_energy_eV: E in eV; stands in for the multiple where given.

    Raises:
        ConfigError: an energy is negative, or the bond cannot hold it (on ``draw``).
    """

    vibrational_energy_kT: float
    rotational_energy_kT: float
    vibrational_energy_eV: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rotational_energy_kT < math.inf:
            raise ConfigError(f"regime.rotational_energy_kT = {self.rotational_energy_kT} must not be negative")

    def draw(self, system: System, n_replicas: int, *, generator: Generator) -> tuple[Tensor, Tensor]:
        """Positions (A) and on-step velocities (A/fs), float64 [replica, 2, xyz]."""
        bond = _diatomic_bond(system)
        energy = (
            self.vibrational_energy_kT * KT_300K_EV
            if self.vibrational_energy_eV is None
            else self.vibrational_energy_eV
        )
        bond.check_energy(energy)
        reduced_mass = _reduced_mass(system)
        phase = 2.0 * math.pi * torch.rand(n_replicas, generator=generator, dtype=torch.float64)
        r_e = bond.constants.r_e_A
        length = r_e + bond.displacement(math.sqrt(energy) * torch.cos(phase))
        if bool((length <= 0).any()):
            raise ConfigError(
                f"{system.name}: a vibrational energy of {energy:.4g} eV takes the harmonic bond through zero length; "
                "lower it"
            )
        radial_speed = math.sqrt(2.0 * energy * ACCELERATION / reduced_mass) * torch.sin(phase)
        rotational_energy = self.rotational_energy_kT * KT_300K_EV
        tangential_speed = math.sqrt(2.0 * rotational_energy * ACCELERATION / reduced_mass) * r_e / length
        along, across = _random_axes(n_replicas, generator)
        bond_vector = length.unsqueeze(-1) * along
        relative_velocity = radial_speed.unsqueeze(-1) * along + tangential_speed.unsqueeze(-1) * across
        return _about_centre_of_mass(system, bond_vector), _about_centre_of_mass(system, relative_velocity)

    def for_training(self) -> "RotatingRegime":
        """This regime: training trajectories have the energies of all others."""
        return self


class VibratingRegime(RotatingRegime):
    """J = 0 at a fixed vibrational energy: the preprint's oscillators."""

    def __init__(self, vibrational_energy_kT: float, vibrational_energy_eV: float | None = None) -> None:
        super().__init__(vibrational_energy_kT, 0.0, vibrational_energy_eV)


@dataclass(frozen=True)
class ThermalRegime:
    """Canonical ensemble at a temperature: Maxwell-Boltzmann velocities, bond lengths from r^2 exp(-V(r)/kT).

    Attributes:
        temperature_K: temperature, K.
        training_factor: training trajectories are drawn at this multiple of the temperature, so that the rare energetic
            replicas of the ensemble lie within what was learned.

    Raises:
        ConfigError: the temperature or the factor is not positive.
    """

    temperature_K: float
    training_factor: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("temperature_K", self.temperature_K), ("training_factor", self.training_factor)):
            if not 0 < value < math.inf:
                raise ConfigError(f"regime.{name} = {value} must be positive")

    def for_training(self) -> "ThermalRegime":
        """The ensemble at the training temperature."""
        return ThermalRegime(self.temperature_K * self.training_factor)

    def draw(self, system: System, n_replicas: int, *, generator: Generator) -> tuple[Tensor, Tensor]:
        """Positions (A) and on-step velocities (A/fs), float64 [replica, 2, xyz]; centre of mass at rest."""
        bond = _diatomic_bond(system)
        kT = BOLTZMANN_EV_PER_K * self.temperature_K
        length = self._bond_lengths(bond, kT, torch.rand(n_replicas, generator=generator, dtype=torch.float64))
        along, _ = _random_axes(n_replicas, generator)
        spread = math.sqrt(kT * ACCELERATION / _reduced_mass(system))
        relative_velocity = spread * torch.randn(n_replicas, 3, generator=generator, dtype=torch.float64)
        positions = _about_centre_of_mass(system, length.unsqueeze(-1) * along)
        return positions, _about_centre_of_mass(system, relative_velocity)

    @staticmethod
    def _bond_lengths(bond: DiatomicBond, kT: float, uniform: Tensor) -> Tensor:
        """Bond lengths by inversion of the cumulative distribution on a fine grid that ends at V = 25 kT."""
        edge = math.sqrt(25.0 * kT)
        try:
            bond.check_energy(25.0 * kT)
        except ConfigError as error:
            raise ConfigError(
                f"regime.temperature_K (times training_factor) = {kT / BOLTZMANN_EV_PER_K:.0f} is too hot: {error}"
            ) from error
        ends = bond.displacement(torch.tensor([-edge, edge], dtype=torch.float64)) + bond.constants.r_e_A
        grid = torch.linspace(max(float(ends[0]), 1e-3), float(ends[1]), 8193, dtype=torch.float64)
        density = grid**2 * torch.exp(-bond.energy_and_slope(grid)[0] / kT)
        cumulative = torch.cat((torch.zeros(1, dtype=torch.float64), torch.cumsum(density[1:] + density[:-1], 0)))
        cumulative = cumulative / cumulative[-1]
        right = torch.searchsorted(cumulative, uniform).clamp(1, grid.numel() - 1)
        left = right - 1
        fraction = (uniform - cumulative[left]) / (cumulative[right] - cumulative[left])
        return grid[left] + fraction * (grid[right] - grid[left])


def _diatomic_bond(system: System) -> DiatomicBond:
    if not isinstance(system.hamiltonian, DiatomicBond):
        raise ConfigError(f"{system.name}: this regime draws states of analytic diatomic bonds only")
    return system.hamiltonian


def _reduced_mass(system: System) -> float:
    mass_1, mass_2 = system.masses_u
    return mass_1 * mass_2 / (mass_1 + mass_2)


def _about_centre_of_mass(system: System, difference: Tensor) -> Tensor:
    """Two vectors [replica, 2, xyz] of given difference [replica, xyz] whose mass-weighted mean is zero."""
    mass_1, mass_2 = system.masses_u
    total = mass_1 + mass_2
    return torch.stack((-mass_2 / total * difference, mass_1 / total * difference), dim=-2)


def _random_axes(n_replicas: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """A uniformly distributed unit vector per replica, and one across it."""
    vectors = torch.randn(n_replicas, 2, 3, generator=generator, dtype=torch.float64)
    along = torch.nn.functional.normalize(vectors[:, 0], dim=-1)
    across = vectors[:, 1] - (vectors[:, 1] * along).sum(-1, keepdim=True) * along
    return along, torch.nn.functional.normalize(across, dim=-1)
