"""The benchmark's inputs: predictors whose network contributes to every kick, and states in the middle of a rollout."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mlmd.hamiltonians import HarmonicBond, MorseBond
from mlmd.models import PredictorSpec, VelocityPredictor
from mlmd.propagation import (
    Dynamics,
    EagerEngine,
    Engine,
    Injection,
    Periodic,
    Propagator,
    reference_dynamics,
)
from mlmd.state import MDState
from mlmd.systems import System, ThermalRegime, VibratingRegime, diatomic
from mlmd.units import ACCELERATION

SEED = 1
FIT_REPLICAS, FIT_STEPS = 64, 200
HEAD_SIZE = 0.1
"""Spread of what the random head says, in units of what the shortcut leaves: never nil, and too little to explode."""

SILENT = 1e-6
"""The same where the shortcut is exact, in units of the kicks: nothing holds a lab-frame velocity that drifts."""

DT_FS, PERIOD_FS, MASS_U = 0.5, 11.0, 12.0
"""Of the synthetic crystal: HCl's time step and about its period."""


@dataclass(frozen=True)
class Case:
    """One network on one system.

    Attributes:
        variant: "DuR0" or "3vR0".
        hidden_size: width of the LSTM layers.
        n_layers: LSTM layers.
        n_atoms: 2 is HCl; more (3vR0 alone takes them) are a synthetic crystal.
        window: history length of a window memory; None carries the state.
    """

    variant: str = "DuR0"
    hidden_size: int = 32
    n_layers: int = 2
    n_atoms: int = 2
    window: int | None = None

    @property
    def words(self) -> str:
        """For tables: "DuR0 2x32"."""
        atoms = f", {self.n_atoms} atoms" if self.n_atoms != 2 else ""
        return f"{self.variant} {self.n_layers}x{self.hidden_size}" + atoms

    @property
    def n_numbers(self) -> tuple[int, int]:
        """Numbers of model inputs and outputs in a step."""
        return (3, 1) if self.variant == "DuR0" else (6 * self.n_atoms, 3 * self.n_atoms)

    @property
    def products(self) -> tuple[tuple[int, int], ...]:
        """(K, N) of the matrix products [replica, K] x [K, N] of one step: one a layer, and the head."""
        n_inputs, n_outputs = self.n_numbers
        width = self.hidden_size
        layers = [((n_inputs if layer == 0 else width) + width, 4 * width) for layer in range(self.n_layers)]
        return (*layers, (width, n_outputs))

    @property
    def macs(self) -> int:
        """Multiplications and additions of the matrix products of one step of one replica."""
        return sum(k * n for k, n in self.products)

    @property
    def state_bytes(self) -> int:
        """State of one replica: h and c (float32), r and v of every atom and the last update (float64)."""
        staggered = 1 if self.window is None else self.window
        return staggered * 2 * 4 * self.n_layers * self.hidden_size + 8 * (6 * self.n_atoms + self.n_numbers[1])

    @property
    def weight_bytes(self) -> int:
        """Weights of the network, float32."""
        return 4 * self.macs


class EinsteinCrystal:
    """Every atom bound to its own site: V = k/2 sum |r - site|^2, for systems of any number of atoms."""

    def __init__(self, sites: Tensor) -> None:
        self.sites = sites
        self.k_eV_per_A2 = MASS_U * (2.0 * math.pi / PERIOD_FS) ** 2 / ACCELERATION

    def energy_and_forces(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy (eV) and forces (eV/A)."""
        off = positions - self.sites
        return 0.5 * self.k_eV_per_A2 * off.square().sum(dim=(-2, -1)), -self.k_eV_per_A2 * off


def make_system(case: Case) -> System:
    """HCl with a Morse bond for DuR0, with a harmonic one for 3vR0; the crystal for more atoms."""
    if case.n_atoms == 2:
        bond = MorseBond if case.variant == "DuR0" else HarmonicBond
        return diatomic(name="HCl", dt_fs=DT_FS, hamiltonian=bond)
    sites = torch.stack([3.0 * torch.tensor([i % 4, i // 4 % 4, i // 16]).double() for i in range(case.n_atoms)])
    return System(
        name=f"crystal-{case.n_atoms}",
        symbols=("C",) * case.n_atoms,
        masses_u=(MASS_U,) * case.n_atoms,
        hamiltonian=EinsteinCrystal(sites),
        dt_fs=DT_FS,
        period_fs=PERIOD_FS,
        equilibrium_A=tuple((float(x), float(y), float(z)) for x, y, z in sites),
    )


def draw(case: Case, system: System, n_replicas: int, *, training: bool = False) -> tuple[Tensor, Tensor]:
    """On-step positions (A) and velocities (A/fs): thermal at 300 K, but HCl does not rotate under 3vR0.

    In the lab frame Cartesian predictors lose rotating and anharmonic molecules soon, and a rollout that has exploded
    is none; the work of a step is the same.
    """
    generator = torch.Generator().manual_seed(SEED + training)
    if case.n_atoms == 2:
        regime = ThermalRegime(300.0) if case.variant == "DuR0" else VibratingRegime(4.0)
        return regime.draw(system, n_replicas, generator=generator)
    hamiltonian = system.hamiltonian
    assert isinstance(hamiltonian, EinsteinCrystal)
    kT = 0.02585
    shape = (n_replicas, case.n_atoms, 3)
    off, speed = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
    positions = hamiltonian.sites + math.sqrt(kT / hamiltonian.k_eV_per_A2) * off
    return positions, math.sqrt(kT * ACCELERATION / MASS_U) * speed


def make_predictor(case: Case, system: System) -> VelocityPredictor:
    """Scales fitted on a trajectory, the head small and random, so that nothing of the network can be skipped."""
    spec = PredictorSpec(
        components="molecular" if case.variant.startswith("D") else "cartesian",
        target="update" if "u" in case.variant else "velocity",
        coordinate_frames=0,
        frame="lab",
        hidden_size=case.hidden_size,
        n_layers=case.n_layers,
        shortcut=True,
        memory_kind="carried" if case.window is None else "window",
        memory_length=case.window,
        memory_warmup=1 if case.window is None else None,
        system=system.name,
        symbols=system.symbols,
        masses_u=system.masses_u,
        dt_fs=system.dt_fs,
    )
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        predictor = VelocityPredictor(spec)
        torch.nn.init.normal_(predictor.network.head.weight, std=HEAD_SIZE / math.sqrt(case.hidden_size))
    propagator = Propagator.begin(reference_dynamics(system), *draw(case, system, FIT_REPLICAS, training=True))
    features, targets = predictor.training_pairs(propagator.advance(FIT_STEPS))
    features, targets = features.flatten(0, 1), targets.flatten(0, 1)
    predictor.scaling.fit(features, targets, noise=0.0)
    if predictor.scaling.n_learned < predictor.scaling.basis.shape[0]:
        # A direction in which the shortcut is exact would be silent, and an engine might skip it.
        size = SILENT * float(targets.std())
        eye = torch.eye(targets.shape[1], dtype=torch.float64)
        predictor.scaling.basis.copy_(size * eye)
        predictor.scaling.inverse_basis.copy_(eye / size)
    return predictor.eval().requires_grad_(False)


@dataclass(frozen=True)
class Rollout:
    """A rollout at the moment at which ML takes over, to be begun again as often as wanted.

    Attributes:
        system: what is simulated.
        predictor: who kicks.
        state: positions and half-step velocities.
        memory: what the predictor remembers.
        initial: on-step positions and velocities it came from.
    """

    case: Case
    system: System
    predictor: VelocityPredictor
    state: MDState
    memory: dict[str, Any]
    initial: tuple[Tensor, Tensor]

    @property
    def n_replicas(self) -> int:
        """Replicas in the batch."""
        return self.state.n_replicas

    def propagator(self, engine: Engine, injection: Injection, *, device: str = "cpu") -> Propagator:
        """A propagator that has come to the moment at which ML takes over."""
        return _come_to_ml(self.system, self.predictor, self.initial, injection, engine, device)

    def on(self, device: str) -> "Rollout":
        """The same rollout on another device."""
        if device == "cpu":
            return self
        return make_rollout(self.case, self.n_replicas, predictor=copy.deepcopy(self.predictor), device=device)


def make_rollout(
    case: Case, n_replicas: int, *, predictor: VelocityPredictor | None = None, device: str = "cpu"
) -> Rollout:
    """A rollout whose memory has read what it needs."""
    system = make_system(case)
    if device != "cpu" and isinstance(system.hamiltonian, EinsteinCrystal):
        system.hamiltonian.sites = system.hamiltonian.sites.to(device)
    predictor = (make_predictor(case, make_system(case)) if predictor is None else predictor).to(device)
    initial = draw(case, make_system(case), n_replicas)
    propagator = _come_to_ml(system, predictor, initial, Injection(Periodic(0.0)), EagerEngine(), device)
    assert propagator.learned is not None
    return Rollout(case, system, predictor, propagator.state, propagator.learned.state_dict(), initial)


def _come_to_ml(
    system: System,
    predictor: VelocityPredictor,
    initial: tuple[Tensor, Tensor],
    injection: Injection,
    engine: Engine,
    device: str,
) -> Propagator:
    start_step = max(predictor.n_history, 4)
    propagator = Propagator.begin(
        Dynamics(
            system=system,
            injection=injection,
            predictor=predictor,
            start_step=start_step,
            engine=engine,
            device=device,
        ),
        *initial,
    )
    propagator.advance(start_step, every=start_step + 1)
    return propagator
