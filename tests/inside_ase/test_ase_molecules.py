"""More than two atoms: in Cartesian components, in normal modes, linear and not."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.calculators.morse import MorsePotential
from contracts.molecules import DT_FS, MOLECULES

from mlmd.ase import MLMD
from mlmd.ase.conversion import AtomsHamiltonian, read_state
from mlmd.ase.predictor import make_system
from mlmd.errors import PhysicsError
from mlmd.propagation import (
    Dynamics,
    EagerEngine,
    EnergyAnchor,
    Injection,
    Periodic,
    Propagator,
    reference_dynamics,
)


def followed(dynamics, n_steps):
    atoms, seen = dynamics.atoms, []
    dynamics.attach(lambda: seen.append(atoms.get_positions()))
    dynamics.run(n_steps)
    return np.array(seen)


def test_more_than_two_atoms(make_predictor):
    """A cluster whose predictor is the linear map of its Cartesian kicks: wrong, but alike in both."""

    def make():
        atoms = Atoms("CNO", [[0.0, 0.0, 0.0], [1.3, 0.0, 0.0], [0.6, 1.1, 0.0]])
        atoms.set_momenta(0.3 * np.random.default_rng(2).normal(size=(3, 3)))
        atoms.calc = MorsePotential(epsilon=4.0, rho0=4.0, r0=1.3, rcut1=20.0, rcut2=30.0)
        return atoms

    atoms, other = make(), make()
    reference = make_system(other, None, dt_fs=0.5, hamiltonian=AtomsHamiltonian(other))
    propagator = Propagator.begin(reference_dynamics(reference), *read_state(atoms))
    known = propagator.advance(100)
    predictor = make_predictor(
        known,
        says=0.0,
        noise=0.02,
        components="cartesian",
        system="cluster",
        symbols=reference.symbols,
        masses_u=reference.masses_u,
    )
    propagator = Propagator.begin(
        Dynamics(system=reference, injection=Injection(Periodic(0.2)), predictor=predictor, start_step=20),
        *read_state(atoms),
    )
    expected = propagator.advance(151).positions[0].numpy()
    dynamics = MLMD(atoms, 0.5 * units.fs, predictor, injection=0.2, start_step=20, engine=EagerEngine())
    assert np.array_equal(followed(dynamics, 150), expected)
    assert dynamics.n_force_calls == 26


@pytest.fixture
def make_molecule(make_predictor, make_calculator):
    """Atoms of a molecule that is harmonic in its normal coordinates, and a predictor in normal modes."""

    def make(name):
        system = MOLECULES[name].system()
        positions, velocities = (states[0] for states in MOLECULES[name].states(1, energy_eV=0.05))
        atoms = Atoms(system.symbols, positions.numpy(), masses=system.masses_u)
        atoms.set_velocities(velocities.numpy() / units.fs)
        atoms.calc = make_calculator(system.hamiltonian)
        reference = Propagator.begin(reference_dynamics(system), positions[None], velocities[None])
        of_molecule = {"reference_A": system.equilibrium_A, "modes": system.modes.vectors, "dt_fs": DT_FS}
        predictor = make_predictor(
            reference.advance(400),
            says=0.0,
            noise=0.01,
            system=name,
            symbols=system.symbols,
            masses_u=system.masses_u,
            **of_molecule,
        )
        return atoms, predictor

    return make


@pytest.mark.parametrize("name", ["H2O", "CO2"])
def test_normal_modes_keep_momenta_and_the_anchor_the_energy(make_molecule, name):
    atoms, predictor = make_molecule(name)
    anchored = Injection(Periodic(0.1), EnergyAnchor())
    dynamics = MLMD(
        atoms,
        DT_FS * units.fs,
        predictor,
        injection=anchored,
        start_step=20,
        energy_zero_eV=0.0,
        engine=EagerEngine(),
    )
    momenta, energies = [], []
    dynamics.attach(lambda: momenta.append([*atoms.get_momenta().sum(axis=0), *atoms.get_angular_momentum()]))
    dynamics.attach_at_force_calls(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(400)
    assert dynamics.n_force_calls == 38
    assert atoms.calc.n_calculations == 58
    np.testing.assert_allclose(momenta, np.broadcast_to(momenta[0], (401, 6)), rtol=0, atol=1e-9)
    assert np.mean(energies[-20:]) == pytest.approx(np.mean(energies[:20]), rel=0.05)


def test_another_isomer_is_refused(make_molecule):
    atoms, predictor = make_molecule("H2O")
    oxygen, first = atoms.positions[:2]
    atoms.positions[2] = 2 * oxygen - first  # straight
    left = atoms.get_positions()
    dynamics = MLMD(atoms, DT_FS * units.fs, predictor)
    with pytest.raises(PhysicsError, match=r"H2O has left the region where its frame and normal modes hold.*at step 0"):
        dynamics.run(1)
    assert np.array_equal(atoms.positions, left)
    assert torch.isfinite(read_state(atoms)[1]).all()
