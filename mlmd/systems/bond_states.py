"""Initial states of two atoms on an analytic bond, exact for its potential."""

import math

import torch
from torch import Generator, Tensor

from mlmd.errors import ConfigError
from mlmd.hamiltonians import DiatomicBond
from mlmd.systems.system import System
from mlmd.units import ACCELERATION, BOLTZMANN_EV_PER_K


def draw_fixed_energy(
    system: System,
    bond: DiatomicBond,
    n_replicas: int,
    *,
    vibrational_eV: float,
    rotational_eV: float,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Positions (A) and velocities (A/fs) [replica, 2, xyz] with V(r) = E cos^2 phi and radial KE = E sin^2 phi.

    Raises:
        ConfigError: the bond cannot hold the energy.
    """
    bond.check_energy(vibrational_eV)
    reduced_mass = _reduced_mass(system)
    phase = 2.0 * math.pi * torch.rand(n_replicas, generator=generator, dtype=torch.float64)
    r_e = bond.constants.r_e_A
    length = r_e + bond.displacement(math.sqrt(vibrational_eV) * torch.cos(phase))
    if bool((length <= 0).any()):
        raise ConfigError(
            f"{system.name}: a vibrational energy of {vibrational_eV:.4g} eV takes the harmonic bond through zero "
            "length; lower it"
        )
    radial_speed = math.sqrt(2.0 * vibrational_eV * ACCELERATION / reduced_mass) * torch.sin(phase)
    tangential_speed = math.sqrt(2.0 * rotational_eV * ACCELERATION / reduced_mass) * r_e / length
    along, across = _random_axes(n_replicas, generator)
    bond_vector = length.unsqueeze(-1) * along
    relative_velocity = radial_speed.unsqueeze(-1) * along + tangential_speed.unsqueeze(-1) * across
    return _about_centre_of_mass(system, bond_vector), _about_centre_of_mass(system, relative_velocity)


def draw_thermal(
    system: System, bond: DiatomicBond, n_replicas: int, *, temperature_K: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Positions (A) and velocities (A/fs) [replica, 2, xyz]: Maxwell-Boltzmann, lengths from r^2 exp(-V(r)/kT).

    Raises:
        ConfigError: the bond would break.
    """
    kT = BOLTZMANN_EV_PER_K * temperature_K
    length = _bond_lengths(bond, kT, torch.rand(n_replicas, generator=generator, dtype=torch.float64))
    along, _ = _random_axes(n_replicas, generator)
    spread = math.sqrt(kT * ACCELERATION / _reduced_mass(system))
    relative_velocity = spread * torch.randn(n_replicas, 3, generator=generator, dtype=torch.float64)
    positions = _about_centre_of_mass(system, length.unsqueeze(-1) * along)
    return positions, _about_centre_of_mass(system, relative_velocity)


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
