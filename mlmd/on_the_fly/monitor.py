"""What an on-the-fly run watches at its injections, at no further force call: disagreement of kicks, and the energy."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlmd.observables import kinetic_energy
from mlmd.propagation import EnergyAnchor, HamiltonianStep, Injection
from mlmd.systems import System


@dataclass(frozen=True)
class Signal:
    """What one Hamiltonian step after ML took over said; the worst of the replicas.

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

    The energy is the modified one of `EnergyAnchor`, which Verlet keeps to fourth order.

    Args:
        system: what is simulated.
        device: where states live.
    """

    def __init__(self, system: System, *, device: torch.device | str) -> None:
        self._meter = EnergyAnchor()
        self._meter.bind(system, device=device)
        self._masses = system.masses(device)
        self._energies: Tensor | None = None
        self._n_energies = 0
        self._totals: Tensor | None = None
        self._squares: Tensor | None = None
        self._n_steps = 0

    @property
    def reference(self) -> Tensor:
        """Mean modified energy of the true steps so far [replica], eV."""
        assert self._energies is not None  # an on-the-fly run begins with true steps
        return self._energies / self._n_energies

    @property
    def mean_energy(self) -> Tensor:
        """Mean total energy of the true steps so far [replica], eV, from the minimum of the potential."""
        assert self._totals is not None
        return self._totals / self._n_steps

    def learn(self, heard: HamiltonianStep) -> None:
        """Take a true step into what is normal; the first of a stretch have no complete energy yet."""
        squares = heard.kicks[0].square().sum(dim=(-2, -1))
        self._squares = squares if self._squares is None else self._squares + squares
        total = heard.energy + kinetic_energy(heard.state.velocities + 0.5 * heard.kicks[0], self._masses)
        self._totals = total if self._totals is None else self._totals + total
        self._n_steps += 1
        energy = self.modified_energy(heard)
        if energy is not None:
            self._energies = energy if self._energies is None else self._energies + energy
            self._n_energies += 1

    def measure(self, heard: HamiltonianStep) -> Signal:
        """The signal of an injection."""
        assert self._squares is not None
        energy = self.modified_energy(heard)
        assert energy is not None  # a stretch that is handed over has more kicks than an energy needs
        assert heard.predicted is not None
        size = (self._squares / self._n_steps).sqrt()
        disagreement = (heard.predicted - heard.kicks[0]).norm(dim=(-2, -1)) / size
        excess = energy / self.reference - 1.0
        worst = excess[excess.abs().argmax()]  # NaN counts as the largest
        return Signal(heard.state.step, float(disagreement.max()), float(worst))

    def departs_from(self, earlier: "Watch", *, band: float) -> bool:
        """Whether the mean energy of a replica lies outside a relative band about that of another watch."""
        return not bool(((self.reference / earlier.reference - 1.0).abs() <= band).all())

    def modified_energy(self, heard: HamiltonianStep) -> Tensor | None:
        """Modified energy of a step [replica], eV; None where too few kicks come before it."""
        if len(heard.kicks) < 4:
            return None
        on_step = heard.state.velocities + 0.5 * heard.kicks[0]
        return self._meter.modified_energy(on_step, heard.energy, heard.kicks)

    def anchor(self, injection: Injection) -> None:
        """Give the energy anchor of an injection, where there is one, the reference found here."""
        if injection.anchor is not None:
            injection.anchor.load_state_dict({"sum": self._energies, "n_samples": self._n_energies})

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a restart file."""
        return {
            "energies": self._energies,
            "n_energies": self._n_energies,
            "squares": self._squares,
            "totals": self._totals,
            "n_steps": self._n_steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with what ``state_dict`` wrote."""
        self._energies, self._n_energies = state["energies"], state["n_energies"]
        self._squares, self._totals, self._n_steps = state["squares"], state["totals"], state["n_steps"]
