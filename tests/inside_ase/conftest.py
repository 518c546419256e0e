from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes

from mlmd.propagation import EagerEngine, Periodic


class OurCalculator(Calculator):
    """A Hamiltonian of ours as a calculator of ASE; counts what it really calculates."""

    implemented_properties = ("energy", "forces")

    def __init__(self, hamiltonian: Any) -> None:
        super().__init__()
        self.hamiltonian = hamiltonian
        self.n_calculations = 0

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.n_calculations += 1
        energy, forces = self.hamiltonian.energy_and_forces(torch.from_numpy(atoms.positions[None]))
        self.results = {"energy": float(energy), "forces": forces[0].numpy()}


@pytest.fixture(scope="session")
def make_calculator() -> Callable[..., Calculator]:
    return OurCalculator


@pytest.fixture(scope="session")
def make_atoms(rotating_states: Any) -> Callable[..., Atoms]:
    """A vibrating and rotating diatomic that drifts, with its bond as calculator."""

    def make(system: Any) -> Atoms:
        positions, velocities = (states[0].numpy() for states in rotating_states(system, 1))
        atoms = Atoms(system.symbols, positions, masses=system.masses_u)
        atoms.set_velocities((velocities + np.array([0.001, -0.002, 0.0015])) / units.fs)
        atoms.calc = OurCalculator(system.hamiltonian)
        return atoms

    return make


@pytest.fixture
def atoms(make_atoms: Any, hcl_harmonic: Any) -> Atoms:
    return make_atoms(hcl_harmonic)


@pytest.fixture(scope="session")
def exact(make_predictor: Any, reference: Any, hcl_harmonic: Any) -> Any:
    """The linear map of a harmonic bond, which needs no training."""
    return make_predictor(reference(hcl_harmonic), says=0.0)


@pytest.fixture(scope="session")
def wrong(make_predictor: Any, reference: Any, hcl_harmonic: Any) -> Any:
    """Stays near the truth for some hundred steps."""
    return make_predictor(reference(hcl_harmonic, 60), says=0.3, noise=0.02)


@pytest.fixture
def make_dynamics(atoms: Any) -> Callable[..., Any]:
    from mlmd.ase import MLMD

    def make(predictor: Any, moved: Any = atoms, **options: Any) -> MLMD:
        plain = {"injection": Periodic(0.1), "start_step": 20, "engine": EagerEngine()}
        return MLMD(moved, 0.5 * units.fs, predictor, **plain | options)

    return make
