"""Energy anchoring: at an injection the vibrational velocity is corrected so that the total energy returns.

Verlet does not keep H but, to fourth order in dt, the modified energy

    H~ = H + dt^2 (v.V''v / 12 - F.F / (24 m)),

so H~ is what is anchored. V and F come with the injection's own force call. The curvature v.V''v = -v.dF/dt takes the
backward difference of the last kicks, F = m u / dt, and needs no further call.
"""

from typing import Any

import torch
from torch import Tensor

from mlmd.decomposition import DiatomicVibration, internal_velocity
from mlmd.errors import ConfigError
from mlmd.state import MDState
from mlmd.systems import System
from mlmd.units import ACCELERATION

BACKWARD_DIFFERENCE = (11.0 / 6.0, -3.0, 1.5, -1.0 / 3.0)
"""Third-order backward difference: dt du/dt at step n from u_n, u_{n-1}, u_{n-2}, u_{n-3}."""

TINY_EV = 1e-30
"""Stands in for the vibrational energy of a molecule at rest, eV."""


class EnergyAnchor:
    """Returns H~ to its mean over the Hamiltonian steps before ML, by scaling the vibrational velocity alone.

    The vibrational velocity is what translation and rotation leave of the on-step velocity: along the bond of two
    atoms, `internal_velocity` of more. Scaling it leaves both momenta alone. A vibration passes KE = 0 twice a period,
    where no scaling of a velocity can restore an energy: there the correction fades out smoothly, and what it leaves
    is made good at a later injection.

    Args:
        least_share: share of the vibrational energy that must be kinetic for a full correction, in (0, 1).
        largest_change: bound on the relative change of the vibrational kinetic energy at one injection, in (0, 1).

    Attributes:
        last_excess: (H~ - reference) / vibrational energy that the last correction found, [replica]; None before one.

    Raises:
        ConfigError: a share outside its range.
    """

    def __init__(self, *, least_share: float = 0.25, largest_change: float = 0.5) -> None:
        for name, value in (("least_share", least_share), ("largest_change", largest_change)):
            if not 0.0 < value < 1.0:
                raise ConfigError(f"injection.anchor.{name} = {value} must lie in (0, 1)")
        self.least_share = least_share
        self.largest_change = largest_change
        self.last_excess: Tensor | None = None
        self._sum: Tensor | None = None
        self._n_samples = 0

    @property
    def reference(self) -> Tensor | None:
        """Mean H~ of the steps sampled, [replica], eV; None before the first."""
        return None if self._sum is None else self._sum / self._n_samples

    def bind(self, system: System, *, device: torch.device | str) -> None:
        """Forget any reference and serve a new run of ``system``."""
        self._bond = DiatomicVibration(system.masses_u, system.dt_fs) if system.n_atoms == 2 else None
        self._masses = system.masses(device).unsqueeze(-1) / ACCELERATION
        self._reduced_mass = float(self._masses.prod() / self._masses.sum())
        self.last_excess = None
        self._sum, self._n_samples = None, 0

    def modified_energy(self, velocities: Tensor, energy: Tensor, kicks: list[Tensor]) -> Tensor:
        """H~ of a step.

        Args:
            velocities: on-step velocities v_n, [replica, atom, xyz], A/fs.
            energy: potential energy at r_n, [replica], eV.
            kicks: u_n, u_{n-1}, u_{n-2}, u_{n-3}, each [replica, atom, xyz], A/fs.

        Returns:
            H~, [replica], eV.
        """
        # In units of kicks: dt^2 v.V''v = -m v.change and dt^2 F.F / m = m u.u. Few calls, since each costs what a step
        # of a compiled engine does.
        newest, *earlier = kicks
        minus_twelfth_of_change = newest * (-BACKWARD_DIFFERENCE[0] / 12.0)
        for weight, kick in zip(BACKWARD_DIFFERENCE[1:], earlier, strict=True):
            minus_twelfth_of_change.add_(kick, alpha=-weight / 12.0)
        per_atom = velocities * torch.add(minus_twelfth_of_change, velocities, alpha=0.5)
        per_atom.addcmul_(newest, newest, value=-1.0 / 24.0)
        return energy + (self._masses * per_atom).sum(dim=(-2, -1))

    def sample(self, state: MDState, energy: Tensor, kicks: list[Tensor]) -> None:
        """Take a Hamiltonian step before ML into the reference."""
        modified = self.modified_energy(state.velocities + 0.5 * kicks[0], energy, kicks)
        self._sum = modified if self._sum is None else self._sum + modified
        self._n_samples += 1

    def correction(self, state: MDState, energy: Tensor, kicks: list[Tensor]) -> Tensor:
        """Velocity change beside the force kick, [replica, atom, xyz], A/fs.

        Args:
            state: positions r_n and velocities v_{n-1/2}.
            energy: potential energy at r_n from the injection's call, [replica], eV.
            kicks: u_n (true), u_{n-1}, u_{n-2}, u_{n-3}.
        """
        assert self._sum is not None  # the propagator refuses an anchored run without Hamiltonian steps before ML
        on_step = state.velocities + 0.5 * kicks[0]
        excess = self.modified_energy(on_step, energy, kicks) - self._sum / self._n_samples
        vibration, kinetic = self._vibration(state, on_step)
        vibrational = (kinetic + energy).clamp(min=TINY_EV)
        self.last_excess = excess / vibrational
        share = kinetic / vibrational
        # Below the least share the denominator stops shrinking, so the change goes to zero with the kinetic energy.
        weight = (share / self.least_share).clamp(max=1.0)
        floor = self.least_share * vibrational
        change = weight * excess / torch.maximum(kinetic, floor)
        factor = (1.0 - change.clamp(-self.largest_change, self.largest_change)).sqrt() - 1.0
        return factor[:, None, None] * vibration

    def _vibration(self, state: MDState, on_step: Tensor) -> tuple[Tensor, Tensor]:
        """Vibrational velocity [replica, atom, xyz], A/fs, and its kinetic energy [replica], eV."""
        if self._bond is None:
            vibration = internal_velocity(state.positions, on_step, self._masses)
            return vibration, 0.5 * (self._masses * vibration.square()).sum(dim=(-2, -1))
        frame = self._bond.frame(state.positions, state.velocities)
        speed = self._bond.project(frame, on_step)
        return self._bond.decode(frame, speed), 0.5 * self._reduced_mass * speed.square().squeeze(-1)

    def state_dict(self) -> dict[str, Any]:
        """The reference, for a restart file."""
        return {"sum": self._sum, "n_samples": self._n_samples}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Continue with a stored reference."""
        self._sum, self._n_samples = values["sum"], values["n_samples"]
