from collections.abc import Callable
from typing import Any

import pytest
import torch

from mlmd.hamiltonians import BondConstants, HarmonicBond
from mlmd.models import PredictorSpec, VelocityPredictor
from mlmd.on_the_fly import Ledger, OnTheFly, OnTheFlyPlan, RunProgress
from mlmd.propagation import Dynamics, EnergyAnchor, Injection, Periodic
from mlmd.state import Trajectory
from mlmd.systems import RotatingRegime, System

PLAN = {
    "first_steps": 120,
    "growth": 0.5,
    "fallback_steps": 100,
    "held_out_steps": 60,
    "validation_steps": 40,
    "validation_error": 0.05,
    "disagreement": 0.05,
    "energy_band": 0.02,
    "max_rounds": 5,
}
LEAST_STEPS = 33


class SwitchedBond(HarmonicBond):
    """A harmonic bond that becomes stiffer for good at one of its calls: a planted change of the Hamiltonian."""

    def __init__(self, constants: BondConstants, *, at_call: int | None, stiffer: float = 1.3) -> None:
        super().__init__(constants)
        self.at_call, self.stiffer, self.n_calls = at_call, stiffer, 0

    def energy_and_forces(self, positions):
        self.n_calls += 1
        energy, forces = super().energy_and_forces(positions)
        changed = self.at_call is not None and self.n_calls >= self.at_call
        return (self.stiffer * energy, self.stiffer * forces) if changed else (energy, forces)


class Bench:
    """Surroundings that train by least squares alone, which is exact for a harmonic bond, and keep everything."""

    def __init__(self, spec: PredictorSpec, *, spoil: Callable[[int, VelocityPredictor], None] | None = None) -> None:
        self.spec, self.spoil = spec, spoil
        self.trained: dict[int, VelocityPredictor] = {}
        self.splits: dict[int, dict[str, Trajectory]] = {}
        self.frames: list[Trajectory] = []
        self.saved: list[tuple[int, dict[str, Any]]] = []
        self.news: list[str] = []

    def train(self, number: int, splits: dict[str, Trajectory]) -> VelocityPredictor:
        predictor = VelocityPredictor(self.spec)
        features, targets = predictor.training_pairs(splits["train"])
        predictor.scaling.fit(features.flatten(0, 1), targets.flatten(0, 1), noise=0.0)
        if self.spoil is not None:
            self.spoil(number, predictor)
        self.trained[number], self.splits[number] = predictor, splits
        return predictor.eval()

    def load(self, number: int) -> VelocityPredictor:
        return self.trained[number]

    def keep(self, frames: Trajectory) -> None:
        self.frames.append(frames)

    def save(self, state: dict[str, Any]) -> None:
        self.saved.append((len(self.frames), state))

    def tell(self, progress: RunProgress, news: str | None) -> None:
        if news is not None:
            self.news.append(news)

    def trajectory(self) -> Trajectory:
        steps = torch.cat([part.steps for part in self.frames])
        values = (
            torch.cat([getattr(part, name) for part in self.frames], 1) for name in ("positions", "velocities", "kicks")
        )
        return Trajectory(steps, *values)


@pytest.fixture
def bench(hcl_harmonic: System, make_spec: Any) -> Callable[..., tuple[OnTheFly, Bench]]:
    """An on-the-fly run of HCl, started, with its surroundings."""

    def make(
        *,
        at_call: int | None = None,
        frequency: float = 0.05,
        spoil: Any = None,
        every: int = 1,
        n_replicas: int = 1,
        **plan: Any,
    ) -> tuple[OnTheFly, Bench]:
        bond = SwitchedBond(hcl_harmonic.hamiltonian.constants, at_call=at_call)
        values = {name: getattr(hcl_harmonic, name) for name in ("name", "symbols", "masses_u", "dt_fs", "period_fs")}
        system = System(hamiltonian=bond, equilibrium_A=hcl_harmonic.equilibrium_A, **values)
        injection = Injection(Periodic(frequency), EnergyAnchor())
        spec = make_spec(memory_warmup=8)
        surroundings = Bench(spec, spoil=spoil)
        run = OnTheFly(
            Dynamics(system=system, injection=injection, predictor=None),
            OnTheFlyPlan(**(PLAN | plan)),
            surroundings,
            Ledger(began=0.0),
            least_steps=LEAST_STEPS,
            every=every,
            decomposition=spec.decomposition(),
        )
        generator = torch.Generator().manual_seed(1)
        run.begin(*RotatingRegime(4.0, 1.0).draw(system, n_replicas, generator=generator))
        return run, surroundings

    return make
