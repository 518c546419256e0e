import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.lj import LennardJones
from ase.calculators.morse import MorsePotential
from ase.md.verlet import VelocityVerlet
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.ase import MLMD
from mlmd.ase.conversion import read_state, write_state
from mlmd.propagation import Burst, Periodic
from mlmd.units import ACCELERATION

N_STEPS = 300

CASES = {
    "two atoms, Morse": (
        "N2",
        [[0.0, 0.0, 0.0], [1.3, 0.0, 0.1]],
        lambda: MorsePotential(epsilon=4.0, rho0=6.0, r0=1.2, rcut1=20.0, rcut2=30.0),
    ),
    "three atoms, Lennard-Jones": (
        "Ar3",
        [[0.0, 0.0, 0.0], [2.3, 0.0, 0.0], [0.2, 2.1, 0.3]],
        lambda: LennardJones(sigma=2.0, epsilon=0.3, rc=30.0),
    ),
}


def make(case, *, seed=0):
    name, positions, calculator = CASES[case]
    atoms = Atoms(name, positions)
    atoms.set_momenta(1.5 * np.random.default_rng(seed).normal(size=(len(atoms), 3)))
    atoms.calc = calculator()
    return atoms


def followed(dynamics, *, n_steps=N_STEPS):
    """Positions and momenta as an observer sees them, from step 0 on."""
    atoms, seen = dynamics.atoms, []
    dynamics.attach(lambda: seen.append((atoms.get_positions(), atoms.get_momenta())))
    assert dynamics.run(n_steps) is True
    return np.array(seen)


def assert_round_off(ours, theirs):
    assert ours.shape == theirs.shape
    assert np.ptp(theirs[:, 0], axis=0).max() > 0.3  # something moved
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-11)


@pytest.mark.parametrize("case", CASES)
def test_without_a_predictor_it_is_velocity_verlet(case):
    ours, theirs = MLMD(make(case), 0.5 * units.fs, None), VelocityVerlet(make(case), 0.5 * units.fs)
    assert_round_off(followed(ours), followed(theirs))
    assert ours.get_time() == theirs.get_time()
    assert ours.n_force_calls == N_STEPS + 1


@pytest.mark.parametrize("injection", [1.0, Periodic(1.0), Burst(1.0, length=3)], ids=["number", "periodic", "burst"])
def test_with_an_injection_at_every_step_it_is_velocity_verlet(atoms, make_atoms, hcl_harmonic, wrong, injection):
    ours = MLMD(atoms, 0.5 * units.fs, wrong, injection=injection)
    theirs = VelocityVerlet(make_atoms(hcl_harmonic), 0.5 * units.fs)
    assert_round_off(followed(ours), followed(theirs))
    assert ours.n_warmup_calls + ours.n_force_calls == N_STEPS + 1


def test_learned_steps_differ_from_an_injection_at_every_step(atoms, make_atoms, hcl_harmonic, wrong):
    ours = followed(MLMD(atoms, 0.5 * units.fs, wrong, injection=0.01))
    theirs = followed(VelocityVerlet(make_atoms(hcl_harmonic), 0.5 * units.fs))
    assert np.abs(ours - theirs).max() > 1e-6


def test_runs_in_pieces_are_one_run():
    case = "three atoms, Lennard-Jones"
    whole = followed(MLMD(make(case), 0.5 * units.fs, None))
    cut = MLMD(make(case), 0.5 * units.fs, None)
    seen = []
    cut.attach(lambda: seen.append((cut.atoms.get_positions(), cut.atoms.get_momenta())))
    for n_steps in (1, 0, 99, 200):
        cut.run(n_steps)
    assert np.array_equal(np.array(seen), whole)


@pytest.mark.parametrize("case", CASES)
def test_velocities_changed_between_runs_are_taken_up(case):
    """Also within a run, as a thermostat changes them."""

    def thermostatted(dynamics):
        atoms = dynamics.atoms
        dynamics.attach(lambda: atoms.set_momenta(0.9 * atoms.get_momenta()), 7)
        return followed(dynamics, n_steps=50)

    ours = thermostatted(MLMD(make(case), 0.5 * units.fs, None))
    theirs = thermostatted(VelocityVerlet(make(case), 0.5 * units.fs))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_positions_changed_between_runs_are_taken_up():
    results = []
    for kind in (lambda atoms: MLMD(atoms, 0.5 * units.fs, None), lambda atoms: VelocityVerlet(atoms, 0.5 * units.fs)):
        atoms = make("three atoms, Lennard-Jones")
        dynamics = kind(atoms)
        dynamics.run(20)
        atoms.positions[0] -= [0.1, 0.2, 0.0]
        dynamics.run(20)
        results.append(np.array([atoms.get_positions(), atoms.get_momenta()]))
    np.testing.assert_allclose(*results, rtol=0, atol=1e-12)


def test_atoms_without_momenta_start_at_rest():
    atoms = Atoms("N2", [[0.0, 0.0, 0.0], [1.3, 0.0, 0.0]], calculator=CASES["two atoms, Morse"][2]())
    other = atoms.copy()
    other.calc = CASES["two atoms, Morse"][2]()
    MLMD(atoms, 0.5 * units.fs, None).run(20)
    VelocityVerlet(other, 0.5 * units.fs).run(20)
    np.testing.assert_allclose(atoms.positions, other.positions, rtol=0, atol=1e-13)


@given(st.lists(st.floats(-1.0, 1.0), min_size=12, max_size=12))
@settings(max_examples=25)
def test_conversion_to_ase_and_back_is_the_identity(numbers):
    positions, velocities = np.reshape(numbers[:6], (2, 3)), np.reshape(numbers[6:], (2, 3))
    atoms = Atoms("HCl")
    write_state(atoms, positions, velocities)
    ours = read_state(atoms)
    assert np.array_equal(ours[0][0].numpy(), positions)
    np.testing.assert_allclose(ours[1][0].numpy(), velocities, rtol=1e-15, atol=0)
    masses = atoms.get_masses()[:, None]
    kinetic = float((0.5 * masses * velocities**2).sum() / ACCELERATION)
    assert atoms.get_kinetic_energy() == pytest.approx(kinetic, rel=1e-7)  # CODATA 2014 against 2018


def test_one_angstrom_per_femtosecond_is_known_in_ase():
    atoms = Atoms("H", momenta=[[units.Ang / units.fs, 0.0, 0.0]], masses=[1.0])
    assert float(read_state(atoms)[1][0, 0, 0]) == pytest.approx(1.0, rel=1e-15)
