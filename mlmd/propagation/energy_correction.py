"""Energy correction at injections: the vibrational velocity is scaled so that the modified energy returns.

What is corrected is H~ of `mlmd.propagation.modified_energy`, which Verlet keeps; H is not.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlmd.decomposition import DiatomicVibration, internal_velocity
from mlmd.errors import ConfigError
from mlmd.propagation.modified_energy import modified_energy
from mlmd.state import MDState
from mlmd.systems import System
from mlmd.units import ACCELERATION

TINY_EV = 1e-30
"""Stands in for the vibrational energy of a molecule at rest, eV."""


@dataclass(frozen=True)
class EnergyReference:
    """The mean modified energy of the steps so far.

    Attributes:
        total: sum over the steps, [replica], eV; None before the first.
        n_samples: steps in it.
    """

    total: Tensor | None = None
    n_samples: int = 0

    @property
    def mean(self) -> Tensor:
        """The mean, [replica], eV."""
        assert self.total is not None  # ML takes over after at least four Hamiltonian steps
        return self.total / self.n_samples

    def with_sample(self, energy: Tensor) -> "EnergyReference":
        """The reference with one more step of modified energy [replica], eV."""
        return EnergyReference(energy if self.total is None else self.total + energy, self.n_samples + 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values and a tensor, for a restart file."""
        return {"sum": self.total, "n_samples": self.n_samples}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> "EnergyReference":
        """What ``to_dict`` wrote."""
        return cls(saved["sum"], saved["n_samples"])


@dataclass(frozen=True, kw_only=True)
class EnergyAnchor:
    """Returns H~ to its mean over the Hamiltonian steps before ML, by scaling the vibrational velocity alone.

    The vibrational velocity is what translation and rotation leave of the on-step velocity: along the bond of two
    atoms, `internal_velocity` of more. Scaling it leaves both momenta alone. A vibration passes KE = 0 twice a period,
    where no scaling of a velocity can restore an energy: there the correction fades out smoothly, and what it leaves
    is corrected at a later injection.

    Attributes:
        least_share: share of the vibrational energy that must be kinetic for a full correction, in (0, 1).
        largest_change: bound on the relative change of the vibrational kinetic energy at one injection, in (0, 1).

    Raises:
        ConfigError: a share outside its range.
    """

    least_share: float = 0.25
    largest_change: float = 0.5

    def __post_init__(self) -> None:
        for name in ("least_share", "largest_change"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"injection.anchor.{name} = {getattr(self, name)} must lie in (0, 1)")


class EnergyCorrection:
    """The correction of an `EnergyAnchor` for one system; it keeps nothing of a run.

    Args:
        anchor: how the energy is corrected.
        system: what is simulated.
        device: where states live.
    """

    def __init__(self, anchor: EnergyAnchor, system: System, *, device: torch.device | str) -> None:
        self.anchor = anchor
        self.masses = system.masses(device).unsqueeze(-1) / ACCELERATION
        self._bond = DiatomicVibration(system.masses_u, system.dt_fs) if system.n_atoms == 2 else None
        self._reduced_mass = float(self.masses.prod() / self.masses.sum())

    def energy(self, state: MDState, energy: Tensor, kicks: list[Tensor]) -> Tensor:
        """H~ of a step, [replica], eV; arguments as for `correction`."""
        return modified_energy(state.velocities + 0.5 * kicks[0], energy, kicks, self.masses)

    def correction(self, state: MDState, energy: Tensor, kicks: list[Tensor], reference: EnergyReference) -> Tensor:
        """Velocity change beside the force kick, [replica, atom, xyz], A/fs.

        Args:
            state: positions r_n and velocities v_{n-1/2}.
            energy: potential energy at r_n from the injection's call, [replica], eV.
            kicks: u_n (true), u_{n-1}, u_{n-2}, u_{n-3}.
            reference: mean modified energy to which the energy returns.
        """
        on_step = state.velocities + 0.5 * kicks[0]
        excess = modified_energy(on_step, energy, kicks, self.masses) - reference.mean
        vibration, kinetic = self._vibration(state, on_step)
        vibrational = (kinetic + energy).clamp(min=TINY_EV)
        least_share, largest_change = self.anchor.least_share, self.anchor.largest_change
        share = kinetic / vibrational
        # Below the least share the denominator stops shrinking, so the change goes to zero with the kinetic energy.
        weight = (share / least_share).clamp(max=1.0)
        change = weight * excess / torch.maximum(kinetic, least_share * vibrational)
        factor = (1.0 - change.clamp(-largest_change, largest_change)).sqrt() - 1.0
        return factor[:, None, None] * vibration

    def _vibration(self, state: MDState, on_step: Tensor) -> tuple[Tensor, Tensor]:
        """Vibrational velocity [replica, atom, xyz], A/fs, and its kinetic energy [replica], eV."""
        if self._bond is None:
            vibration = internal_velocity(state.positions, on_step, self.masses)
            return vibration, 0.5 * (self.masses * vibration.square()).sum(dim=(-2, -1))
        frame = self._bond.frame(state.positions, state.velocities)
        speed = self._bond.project(frame, on_step)
        return self._bond.decode(frame, speed), 0.5 * self._reduced_mass * speed.square().squeeze(-1)
