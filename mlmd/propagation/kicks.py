"""The two sources of kicks: the Hamiltonian and the velocity predictor.

Hamiltonian kick: u_n = dt F(r_n) / m, one force evaluation.
learned kick:     u_n from a velocity predictor, no force evaluation.
"""

from typing import Any

import torch
from torch import Tensor

from mlmd.hamiltonians import CountedHamiltonian
from mlmd.models import PredictorState, VelocityPredictor
from mlmd.state import MDState
from mlmd.systems import System
from mlmd.units import ACCELERATION


class HamiltonianKick:
    """u_n = dt F(r_n) / m; with it the loop is velocity Verlet in its leapfrog form.

    Args:
        system: what is simulated.
        device: where the states live.

    Attributes:
        hamiltonian: counts every call.
        energy: potential energy of the last call, [replica], eV.
    """

    def __init__(self, system: System, *, device: torch.device | str = "cpu") -> None:
        self.hamiltonian = CountedHamiltonian(system.hamiltonian)
        self._dt_over_mass = system.dt_fs * ACCELERATION / system.masses(device).unsqueeze(-1)
        self.energy: Tensor | None = None

    def kick(self, state: MDState) -> Tensor:
        """Velocity change [replica, atom, xyz], A/fs; one force call."""
        self.energy, forces = self.hamiltonian.energy_and_forces(state.positions)
        return forces * self._dt_over_mass


class LearnedKick:
    """The kick of a velocity predictor, with the memory it carries along one rollout.

    ``kick`` reads the state and predicts; ``accept`` then receives the kick that the step took, learned or
    Hamiltonian, so that the next step reads the truth about its past. Both happen at every step, also where a
    Hamiltonian kick stands.

    Args:
        predictor: trained predictor, on the device of the states.
        n_replicas: replicas in the batch.
    """

    def __init__(self, predictor: VelocityPredictor, n_replicas: int) -> None:
        self.predictor = predictor
        self.n_replicas = n_replicas
        self.memory = predictor.initial_state(n_replicas)
        self._frame: Any = None
        self._components: Tensor | None = None

    def kick(self, state: MDState) -> Tensor | None:
        """Velocity change [replica, atom, xyz], A/fs, or None while the memory has no complete input yet."""
        decomposition = self.predictor.decomposition
        self._frame = decomposition.frame(state.positions, state.velocities)
        self._components = self.predictor.predict(self._frame, state.positions, state.velocities, self.memory)
        return None if self._components is None else decomposition.decode(self._frame, self._components)

    def accept(self, force_kick: Tensor | None = None) -> None:
        """The step was taken: with ``force_kick`` [replica, atom, xyz], or with the predicted kick where None."""
        if force_kick is None:
            self.memory.last_update = self._components
        else:
            self.memory.last_update = self.predictor.decomposition.project(self._frame, force_kick)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a restart file."""
        return self.memory.to_dict()

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Continue where ``state_dict`` stopped."""
        self.memory = PredictorState.from_dict(values)
