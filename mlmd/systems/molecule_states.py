"""Initial states of any molecule with normal modes.

Phases and amplitudes are drawn in the harmonic limit, where modes are independent; what is drawn is then made right for
the true potential, which costs some force evaluations a replica before a run begins.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mlmd.errors import ConfigError
from mlmd.systems.modes import NormalModes
from mlmd.systems.rigid import centred, inertia_tensor, random_rotations, rigid_rotation, unit_vectors, without_rotation
from mlmd.systems.system import System
from mlmd.units import ACCELERATION, BOLTZMANN_EV_PER_K, SPEED_OF_LIGHT_CM_PER_FS

N_PROPOSALS = 10
"""Metropolis steps of a thermal state. By GFN2-xTB at 300 K nine in ten are accepted for up to five atoms, and six in
ten for ethanol, of whose replicas two in a hundred stay as they were first drawn."""

ENERGY_TOLERANCE = 1e-6
"""Error of the potential energy, as a share of the vibrational one, at which a displacement is right; the last step
usually leaves far less, and a quantum-chemical energy is not known much better."""

MAX_CORRECTIONS = 20
"""Newton steps for it; three are usual."""


@dataclass(frozen=True)
class _Modes:
    """A molecule at rest and its modes as tensors.

    Attributes:
        rest: equilibrium, [atom, xyz], A.
        masses: [atom], u.
        directions: [mode, atom, xyz]; Cartesian, u^(-1/2): an A sqrt(u) along a mode moves the atoms by this.
        omega: angular frequencies, [mode], 1/fs.
        is_linear: whether the equilibrium lies on the z axis.
    """

    rest: Tensor
    masses: Tensor
    directions: Tensor
    omega: Tensor
    is_linear: bool

    @staticmethod
    def of(system: System, modes: NormalModes) -> "_Modes":
        vectors = torch.tensor(modes.vectors, dtype=torch.float64)
        wavenumbers = torch.tensor(modes.wavenumbers_cm1, dtype=torch.float64)
        return _Modes(
            rest=torch.tensor(system.equilibrium_A, dtype=torch.float64),
            masses=system.masses(),
            directions=vectors / system.masses().sqrt().unsqueeze(-1),
            omega=2.0 * math.pi * SPEED_OF_LIGHT_CM_PER_FS * wavenumbers,
            is_linear=modes.is_linear,
        )

    def along(self, amplitudes: Tensor) -> Tensor:
        """Cartesian vectors [replica, atom, xyz] of amplitudes [replica, mode] in A sqrt(u), or their rates."""
        return torch.einsum("rk,kai->rai", amplitudes, self.directions)


def draw_fixed_energy(
    system: System,
    normal_modes: NormalModes,
    n_replicas: int,
    *,
    vibrational_eV: float,
    rotational_eV: float,
    generator: Generator,
) -> tuple[Tensor, Tensor]:
    """Positions (A) and velocities (A/fs) [replica, atom, xyz] of one vibrational and one rotational energy.

    Every mode gets an equal share E_k and a random phase phi_k; the two bends of a linear molecule that differ in
    direction alone share theirs, so that they swing in a plane. The displacement is then stretched until the true
    potential is V = sum E_k cos^2 phi_k, and the velocities, less their rotation, until KE = sum E_k sin^2 phi_k.

    Raises:
        ConfigError: the energy is not positive, or the molecule cannot hold it.
    """
    if not 0 < vibrational_eV < math.inf:
        raise ConfigError(f"{system.name}: vibrational energy {vibrational_eV} eV must be positive")
    modes = _Modes.of(system, normal_modes)
    n_modes = normal_modes.n_modes
    phase = 2.0 * math.pi * torch.rand(n_replicas, n_modes, generator=generator, dtype=torch.float64)
    if modes.is_linear:
        phase = phase[:, _partners(normal_modes)]
    speed = math.sqrt(2.0 * vibrational_eV / n_modes * ACCELERATION)
    displacement = modes.along(speed * torch.cos(phase) / modes.omega)
    potential = vibrational_eV * torch.cos(phase).square().mean(dim=-1)
    factor = _stretch(system, modes, displacement, potential, ENERGY_TOLERANCE * vibrational_eV)
    positions = modes.rest + factor.view(-1, 1, 1) * displacement

    velocities = without_rotation(positions, modes.along(-speed * torch.sin(phase)), modes.masses)
    kinetic = 0.5 / ACCELERATION * (modes.masses.unsqueeze(-1) * velocities.square()).sum(dim=(-2, -1))
    wanted = vibrational_eV * torch.sin(phase).square().mean(dim=-1)
    scale = (wanted / kinetic.clamp_min(torch.finfo(torch.float64).tiny)).sqrt()
    velocities = scale.view(-1, 1, 1) * velocities
    if rotational_eV > 0:
        momentum = _random_momentum(modes, positions, rotational_eV, generator)
        velocities = velocities + rigid_rotation(positions, modes.masses, momentum)
    return _placed(modes, positions, velocities, generator)


def draw_thermal(
    system: System, normal_modes: NormalModes, n_replicas: int, *, temperature_K: float, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Positions (A) and velocities (A/fs) [replica, atom, xyz] of the canonical ensemble, centre of mass at rest.

    Normal coordinates are drawn from the harmonic ensemble, then corrected by ``N_PROPOSALS`` steps of an independence
    Metropolis chain: harmonic proposals, accepted by w'/w with w = G exp(-(V - V_harmonic)/kT). G is the volume that
    orientations take in Cartesian space, r^2 for two atoms, det(sum_i m_i (r_i.r_i^0 - r_i r_i^0)) in general (Eckart
    frame; E. B. Wilson, J. C. Decius, P. C. Cross, Molecular Vibrations, 1955, chapter 11). Velocities are
    Maxwell-Boltzmann, which holds vibration and rotation about the displaced geometry alike.
    """
    modes = _Modes.of(system, normal_modes)
    kT = BOLTZMANN_EV_PER_K * temperature_K
    positions, log_weight = _proposal(system, modes, n_replicas, kT, generator)
    for _ in range(N_PROPOSALS):
        proposed, proposed_log_weight = _proposal(system, modes, n_replicas, kT, generator)
        uniform = torch.rand(n_replicas, generator=generator, dtype=torch.float64)
        accepted = uniform.log() < proposed_log_weight - log_weight
        positions = torch.where(accepted.view(-1, 1, 1), proposed, positions)
        log_weight = torch.where(accepted, proposed_log_weight, log_weight)
    spread = (kT * ACCELERATION / modes.masses).sqrt().unsqueeze(-1)
    velocities = spread * torch.randn(positions.shape, generator=generator, dtype=torch.float64)
    return _placed(modes, positions, velocities, generator)


def _proposal(system: System, modes: _Modes, n_replicas: int, kT: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Positions of the harmonic ensemble, and the logarithm of their weight in the true one."""
    normal = torch.randn(n_replicas, len(modes.omega), generator=generator, dtype=torch.float64)
    positions = modes.rest + modes.along(math.sqrt(kT * ACCELERATION) * normal / modes.omega)
    energy, _ = system.hamiltonian.energy_and_forces(positions)
    squares = torch.einsum("a,rai,aj->rij", modes.masses, positions, modes.rest)
    trace = squares.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    block = trace.view(-1, 1, 1) * torch.eye(3, dtype=torch.float64) - squares
    volume = torch.linalg.det(block[:, :2, :2] if modes.is_linear else block)
    log_weight = volume.clamp_min(0.0).log() + 0.5 * normal.square().sum(dim=-1) - energy / kT
    return positions, log_weight.nan_to_num(nan=-math.inf)


def _partners(modes: NormalModes) -> list[int]:
    """For every mode of a linear molecule the mode whose phase it takes: of two equal bends the first."""
    numbers = modes.wavenumbers_cm1
    return [mode - 1 if mode and numbers[mode] == numbers[mode - 1] else mode for mode in range(modes.n_modes)]


def _stretch(system: System, modes: _Modes, displacement: Tensor, potential: Tensor, tolerance_eV: float) -> Tensor:
    """Factors [replica] of displacements at which the potential energy has the wanted values, eV.

    Newton's method for the root of the energy, which is linear in the factor in the harmonic limit.
    """
    factor = torch.ones_like(potential)
    left = torch.arange(len(potential))
    for _ in range(MAX_CORRECTIONS):
        here = factor[left]
        energy, forces = system.hamiltonian.energy_and_forces(modes.rest + here.view(-1, 1, 1) * displacement[left])
        error = energy - potential[left]
        wrong = ~(error.abs() <= tolerance_eV)
        if not bool(wrong.any()):
            return factor
        root = energy.clamp_min(1e-3 * tolerance_eV).sqrt()
        slope = -(forces * displacement[left]).sum(dim=(-2, -1)) / (2.0 * root)
        better = (here - (root - potential[left].sqrt()) / slope).clamp(0.5 * here, 1.5 * here)
        left = left[wrong]
        factor[left] = better[wrong]
    raise ConfigError(
        f"{system.name}: {float(potential.max()):.4g} eV of potential energy is more than its modes hold; lower the "
        "regime's vibrational energy"
    )


def _random_momentum(modes: _Modes, positions: Tensor, energy_eV: float, generator: Generator) -> Tensor:
    """Angular momenta [replica, xyz] about random axes that are worth a rotational energy at equilibrium.

    Of a linear molecule: across its line, or across the longest axis of it where bends have left the line.
    """
    axis = unit_vectors(len(positions), generator)
    inertia = inertia_tensor(modes.rest, modes.masses)
    if not modes.is_linear:
        momentum = axis @ inertia
        return momentum * (2.0 * energy_eV * ACCELERATION / (axis * momentum).sum(-1)).sqrt().unsqueeze(-1)
    line = torch.linalg.eigh(inertia_tensor(positions, modes.masses)).eigenvectors[..., 0]
    across = torch.nn.functional.normalize(axis - (axis * line).sum(-1, keepdim=True) * line, dim=-1)
    return across * math.sqrt(2.0 * energy_eV * ACCELERATION * float(inertia[0, 0]))


def _placed(modes: _Modes, positions: Tensor, velocities: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """The states in random orientations, their centres of mass at rest at the origin."""
    rotations = random_rotations(len(positions), generator).transpose(-2, -1)
    return centred(positions @ rotations, modes.masses), centred(velocities @ rotations, modes.masses)
