from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mlmd.models import VelocityPredictor
from mlmd.propagation import Dynamics, Injection, Periodic, Propagator
from mlmd.systems import System
from mlmd.units import ACCELERATION


class Oracle(VelocityPredictor):
    """Knows the force: its kicks are true, at no counted call. ``wrong`` scales what it says."""

    def __init__(self, spec: Any, system: System, *, wrong: float = 1.0) -> None:
        super().__init__(spec)
        self.bond = system.hamiltonian
        self.gain = wrong * system.dt_fs * ACCELERATION / system.masses().unsqueeze(-1)

    def predict(self, frame: Any, positions: Tensor, velocities: Tensor, state: Any) -> Tensor | None:
        state.n_seen += 1
        kick = self.gain * self.bond.energy_and_forces(positions)[1]
        return self.decomposition.project(frame, kick)


@pytest.fixture(scope="session")
def make_oracle(make_spec: Any) -> Callable[..., Oracle]:
    def make(system: System, *, wrong: float = 1.0, **changes: Any) -> Oracle:
        return Oracle(make_spec(**changes), system, wrong=wrong)

    return make


@pytest.fixture(scope="session")
def mimic(make_predictor: Any, reference: Any) -> Callable[..., VelocityPredictor]:
    """A predictor that is wrong but stays near the reference for some hundred steps."""

    def make(system: System, **changes: Any) -> VelocityPredictor:
        return make_predictor(reference(system, 60), **({"says": 0.3, "noise": 0.02} | changes))

    return make


@pytest.fixture(scope="session")
def propagate(rotating_states: Any) -> Callable[..., Any]:
    """Runs a propagator and returns it with its trajectory."""

    def run(
        system: System,
        predictor: VelocityPredictor | None,
        n_steps: int,
        *,
        schedule: Any = None,
        anchor: Any = None,
        start_step: int = 20,
        states: Any = None,
        **options: Any,
    ) -> Any:
        injection = Injection(schedule or Periodic(0.0), anchor)
        propagator = Propagator.begin(
            Dynamics(system=system, injection=injection, predictor=predictor, start_step=start_step, **options),
            *(states or rotating_states(system)),
        )
        return propagator, propagator.advance(n_steps)

    return run


@pytest.fixture(scope="session")
def total_energy() -> Callable[..., Tensor]:
    """H of every frame, [replica, time], eV."""

    def energy(system: System, trajectory: Any) -> Tensor:
        kinetic = (system.masses()[:, None] * trajectory.velocities.square()).sum(dim=(-2, -1)) / (2 * ACCELERATION)
        return kinetic + system.hamiltonian.energy_and_forces(trajectory.positions)[0]

    return energy


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
