"""Initial states: random phases and orientations at a fixed energy, or a thermal ensemble.

Every regime gives on-step positions r_0 and velocities v_0; the propagator makes v_{-1/2} of them with one force call.
Two atoms on an analytic bond are drawn by its own formulas, any other molecule in its normal modes.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor

from mlmd.errors import ConfigError
from mlmd.hamiltonians import DiatomicBond
from mlmd.systems import bond_states, molecule_states
from mlmd.systems.modes import NormalModes
from mlmd.systems.system import System
from mlmd.units import BOLTZMANN_EV_PER_K

KT_300K_EV = BOLTZMANN_EV_PER_K * 300.0
"""kT at 300 K, eV: the unit of the energy targets."""


@runtime_checkable
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
    """Fixed vibrational and rotational energy, random phases and orientation.

    Bond: the phase phi is uniform with V(r) = E cos^2 phi and KE = E sin^2 phi (for a harmonic bond: uniform in time).
    The angular momentum is L = sqrt(2 mu r_e^2 E_rot), so E_rot is the rotational energy at the equilibrium length.

    Molecule: the same with equal shares of E and a phase of its own for every normal mode. That phases are uniform and
    shares equal is harmonic; the sums V = sum E_k cos^2 phi_k and KE = sum E_k sin^2 phi_k hold for the true potential.
    The molecule turns about a random axis, of a linear one across its line, with the momentum that is worth E_rot at
    equilibrium.

    Attributes:
        vibrational_energy_kT: E in multiples of kT at 300 K, of all modes together.
        rotational_energy_kT: E_rot in the same unit; 0 for J = 0.
        vibrational_energy_eV: E in eV; stands in for the multiple where given.

    Raises:
        ConfigError: an energy is negative, or the molecule cannot hold it (on ``draw``).
    """

    vibrational_energy_kT: float
    rotational_energy_kT: float
    vibrational_energy_eV: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rotational_energy_kT < math.inf:
            raise ConfigError(f"regime.rotational_energy_kT = {self.rotational_energy_kT} must not be negative")

    def draw(self, system: System, n_replicas: int, *, generator: Generator) -> tuple[Tensor, Tensor]:
        """Positions (A) and on-step velocities (A/fs), float64 [replica, atom, xyz]."""
        multiple = self.vibrational_energy_kT * KT_300K_EV
        vibrational_eV = multiple if self.vibrational_energy_eV is None else self.vibrational_energy_eV
        rotational_eV = self.rotational_energy_kT * KT_300K_EV
        if isinstance(system.hamiltonian, DiatomicBond):
            return bond_states.draw_fixed_energy(
                system,
                system.hamiltonian,
                n_replicas,
                vibrational_eV=vibrational_eV,
                rotational_eV=rotational_eV,
                generator=generator,
            )
        with _repeatable(system):
            return molecule_states.draw_fixed_energy(
                system,
                _modes(system),
                n_replicas,
                vibrational_eV=vibrational_eV,
                rotational_eV=rotational_eV,
                generator=generator,
            )

    def for_training(self) -> "RotatingRegime":
        """This regime: training trajectories have the energies of all others."""
        return self


class VibratingRegime(RotatingRegime):
    """J = 0 at a fixed vibrational energy: the preprint's oscillators."""

    def __init__(self, vibrational_energy_kT: float, vibrational_energy_eV: float | None = None) -> None:
        super().__init__(vibrational_energy_kT, 0.0, vibrational_energy_eV)


@dataclass(frozen=True)
class ThermalRegime:
    """Canonical ensemble at a temperature: Maxwell-Boltzmann velocities, positions from exp(-V/kT).

    Bond: lengths from r^2 exp(-V(r)/kT), exactly. Molecule: normal coordinates from the harmonic ensemble, corrected
    to the true potential by a short Metropolis chain; what is harmonic is where the chain begins and what it proposes.

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
        """Positions (A) and on-step velocities (A/fs), float64 [replica, atom, xyz]; centre of mass at rest."""
        kelvin, bond = self.temperature_K, system.hamiltonian
        if isinstance(bond, DiatomicBond):
            return bond_states.draw_thermal(system, bond, n_replicas, temperature_K=kelvin, generator=generator)
        with _repeatable(system):
            return molecule_states.draw_thermal(
                system, _modes(system), n_replicas, temperature_K=kelvin, generator=generator
            )


@contextmanager
def _repeatable(system: System) -> Iterator[None]:
    """Drawing states does not depend on earlier calculations, and does not change later ones.

    Quantum chemistry starts from its last density, which changes the last digits; states of a seed, and the runs that
    follow, must not depend on what else was drawn.
    """
    forget = getattr(system.hamiltonian, "forget", lambda: None)
    forget()
    yield
    forget()


def _modes(system: System) -> NormalModes:
    if system.modes is None:
        raise ConfigError(
            f"{system.name}: this regime draws states of analytic diatomic bonds, and of molecules whose normal modes "
            "are known"
        )
    return system.modes
