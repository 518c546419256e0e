"""The monitor of an on-the-fly run: disagreement of kicks and energy at injections, without further force calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlmd.errors import PhysicsError
from mlmd.observables import kinetic_energy
from mlmd.propagation import EnergyReference, HamiltonianStep, modified_energy
from mlmd.systems import System
from mlmd.units import ACCELERATION


@dataclass(frozen=True)
class Signal:
    """Result of one Hamiltonian step after ML took over, of the worst replica.

    Attributes:
        step: MD step.
        disagreement: |u_learned - u_true| / rms |u_true|.
        energy_excess: modified energy over its mean before ML, minus 1, before any correction.
    """

    step: int
    disagreement: float
    energy_excess: float

    def leaves(self, *, disagreement: float, energy_band: float) -> str | None:
        """Which band it leaves, in words, None where it is within both; what is no number is within none."""
        if not self.disagreement <= disagreement:
            return f"learned and true kick disagree by {100 * self.disagreement:.3g} %"
        if not abs(self.energy_excess) <= energy_band:
            return f"the energy is off by {100 * self.energy_excess:+.3g} %"
        return None


class Watch:
    """Learns from true steps what is normal, and measures injections by it.

    The energy is `modified_energy`, which Verlet keeps to fourth order.

    Args:
        system: what is simulated.
        device: where states live.
    """

    def __init__(self, system: System, *, device: torch.device | str) -> None:
        self._masses = system.masses(device)
        self._inertia = self._masses.unsqueeze(-1) / ACCELERATION
        self._reference = EnergyReference()
        self._totals: Tensor | None = None
        self._squares: Tensor | None = None
        self._n_steps = 0

    @property
    def reference(self) -> EnergyReference:
        """Mean modified energy of the true steps so far."""
        return self._reference

    @property
    def mean_energy(self) -> Tensor:
        """Mean total energy of the true steps so far [replica], eV, from the minimum of the potential."""
        assert self._totals is not None
        return self._totals / self._n_steps

    def learn(self, true_step: HamiltonianStep) -> None:
        """Take a true step into what is normal; the first of a stretch have no complete energy yet."""
        squares = true_step.kicks[0].square().sum(dim=(-2, -1))
        self._squares = squares if self._squares is None else self._squares + squares
        total = true_step.energy + kinetic_energy(true_step.state.velocities + 0.5 * true_step.kicks[0], self._masses)
        self._totals = total if self._totals is None else self._totals + total
        self._n_steps += 1
        energy = self.modified_energy(true_step)
        if energy is not None:
            self._reference = self._reference.with_sample(energy)

    def measure(self, true_step: HamiltonianStep) -> Signal:
        """The signal of an injection."""
        assert self._squares is not None
        energy = self.modified_energy(true_step)
        assert energy is not None  # a stretch that is handed over has more kicks than an energy needs
        assert true_step.predicted is not None
        size = (self._squares / self._n_steps).sqrt()
        disagreement = (true_step.predicted - true_step.kicks[0]).norm(dim=(-2, -1)) / size
        excess = energy / self.reference.mean - 1.0
        worst = excess[excess.abs().argmax()]  # NaN counts as the largest
        return Signal(true_step.state.step, float(disagreement.max()), float(worst))

    def departs_from(self, earlier: "Watch", *, band: float) -> bool:
        """Whether the mean energy of a replica lies outside a relative band about that of another watch."""
        return not bool(((self.reference.mean / earlier.reference.mean - 1.0).abs() <= band).all())

    def modified_energy(self, true_step: HamiltonianStep) -> Tensor | None:
        """Modified energy of a step [replica], eV; None where too few kicks come before it."""
        if len(true_step.kicks) < 4:
            return None
        on_step = true_step.state.velocities + 0.5 * true_step.kicks[0]
        return modified_energy(on_step, true_step.energy, true_step.kicks, self._inertia)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a restart file."""
        return {
            "energies": self._reference.total,
            "n_energies": self._reference.n_samples,
            "squares": self._squares,
            "totals": self._totals,
            "n_steps": self._n_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` wrote."""
        self._reference = EnergyReference(state["energies"], state["n_energies"])
        self._squares, self._totals, self._n_steps = state["squares"], state["totals"], state["n_steps"]


def require_bound(system: System, diverged_at: Mapping[int, int]) -> None:
    """Refuse to continue where true forces have taken a molecule apart: nothing could be learned.

    Args:
        system: what is simulated.
        diverged_at: step at which a replica was found diverged, by replica.

    Raises:
        PhysicsError: with the first replica.
    """
    if diverged_at:
        replica = min(diverged_at)
        raise PhysicsError(
            f"{system.name}: replica {replica} left its equilibrium for good by step {diverged_at[replica]}, with true "
            "forces: it dissociates or rearranges; lower the energy (regime=...) or shorten the run"
        )
