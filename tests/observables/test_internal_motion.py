"""What is watched of a molecule is its own: turning and moving it changes nothing, a rigid one does not vibrate."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.errors import ConfigError
from mlmd.observables import (
    DiatomicMotion,
    MoleculeMotion,
    bond_velocity,
    internal_motion_of,
    kinetic_energy,
    partition_kinetic_energy,
    partition_of_molecule,
)
from mlmd.observables.internal_motion import bonded_pairs, lines_of_modes
from mlmd.systems import System
from mlmd.units import ACCELERATION
from observables.molecules import CARBON_DIOXIDE, WATER, rotations

MOLECULES = pytest.mark.parametrize("molecule", [WATER, CARBON_DIOXIDE], ids=["H2O", "CO2"])
turns = st.tuples(*[st.floats(-5e-3, 5e-3)] * 3).map(lambda turn: torch.tensor(turn, dtype=torch.float64))


def turn_of(molecule, turn):
    """Linear molecules do not turn about their axis."""
    return torch.cat([turn[:2], torch.zeros(1, dtype=torch.float64)]) if molecule is CARBON_DIOXIDE else turn


@settings(max_examples=30)
@given(turn=turns, seed=st.integers(0, 1000))
def test_rates_of_a_bent_molecule_are_those_of_its_coordinates(turn, seed):
    run, rates, _ = WATER.run(turn=turn, seed=seed, amplitudes=(0.1, 0.08, 0.06))
    torch.testing.assert_close(WATER.motion.follow()(run.positions, run.velocities), rates, rtol=0, atol=1e-13)


@settings(max_examples=30)
@given(turn=turns, seed=st.integers(0, 1000), cut=st.integers(1, 399))
def test_bends_of_a_linear_molecule_keep_one_pair_of_axes(turn, seed, cut):
    run, rates, _ = CARBON_DIOXIDE.run(turn=turn_of(CARBON_DIOXIDE, turn), seed=seed)
    follow = CARBON_DIOXIDE.motion.follow()
    found = torch.cat(
        [follow(part.positions, part.velocities) for part in (run.frames(0, cut), run.frames(cut, 400))], 1
    )
    torch.testing.assert_close(found[..., 2:], rates[..., 2:], rtol=0, atol=1e-13)
    # Which two axes across the molecule is anybody's choice, but it is made once.
    products, expected = (bends.mT @ bends for bends in (found[..., :2].mT, rates[..., :2].mT))
    torch.testing.assert_close(products, expected, rtol=0, atol=1e-14)


def test_axes_follow_a_molecule_that_turns_over():
    """Through every direction, those included where axes are chosen anew."""
    run, rates, _ = CARBON_DIOXIDE.run(n_frames=8000, turn=torch.tensor([3e-3, 1e-3, 0.0], dtype=torch.float64))
    found = CARBON_DIOXIDE.motion.follow()(run.positions, run.velocities)
    # A fixed rotation in the plane brings one series onto the other.
    overlap = found[..., :2].mT @ rates[..., :2]
    assert torch.linalg.matrix_norm(overlap, ord="nuc").tolist() == pytest.approx(
        (rates[..., :2].norm(dim=(1, 2)) * found[..., :2].norm(dim=(1, 2))).tolist(), rel=1e-6
    )


@MOLECULES
@settings(max_examples=20)
@given(turn=turns, seed=st.integers(0, 1000))
def test_motions_add_up_and_each_has_its_own(molecule, turn, seed):
    run, rates, _ = molecule.run(turn=turn_of(molecule, turn), seed=seed, n_frames=50)
    parts = molecule.motion.partition(run.positions, run.velocities, molecule.masses)
    torch.testing.assert_close(sum(parts), kinetic_energy(run.velocities, molecule.masses))
    assert all(bool((part >= 0).all()) for part in parts)
    # Sums over modes hold for small amplitudes; vibrations carry angular momentum of second order.
    of_modes = 0.5 * rates.square().sum(dim=-1) / ACCELERATION
    torch.testing.assert_close(parts.vibrational, of_modes, rtol=0, atol=0.05 * float(of_modes.max()))


@MOLECULES
def test_a_rigid_molecule_turns_and_does_not_vibrate(molecule):
    turn = torch.tensor([2e-3, 1e-3, 0.0], dtype=torch.float64)
    run, _, _ = molecule.run(turn=turn, amplitudes=(0.0,) * molecule.modes.n_modes)
    parts = molecule.motion.partition(run.positions, run.velocities, molecule.masses)
    assert float(parts.vibrational.max()) < 1e-15
    r = molecule.reference
    moments = [(molecule.masses * (r[:, other] ** 2 + r[:, 2] ** 2)).sum() for other in (1, 0)]
    expected = 0.5 * (moments[0] * turn[0] ** 2 + moments[1] * turn[1] ** 2) / ACCELERATION
    assert parts.rotational.flatten().tolist() == pytest.approx([float(expected)] * 1200, rel=1e-9)


def test_a_push_that_turns_a_molecule_leaves_its_vibration_alone():
    run, _, _ = WATER.run(seed=3)
    axis = torch.tensor([0.01, -0.02, 0.03], dtype=torch.float64).expand_as(run.positions)
    pushed = run.velocities + torch.linalg.cross(axis, run.positions) + 0.1
    before, after = (
        WATER.motion.partition(run.positions, velocities, WATER.masses) for velocities in (run.velocities, pushed)
    )
    torch.testing.assert_close(after.vibrational, before.vibrational, rtol=0, atol=1e-12)
    assert float(after.rotational.min()) > 10 * float(before.rotational.max())


def test_a_diatomic_is_the_special_case(hcl_morse, reference):
    run, masses = reference(hcl_morse), hcl_morse.masses()
    heights = torch.tensor([0.0, 1.0], dtype=torch.float64)
    ours = partition_of_molecule(run.positions, run.velocities, masses, heights=heights)
    for part, expected in zip(ours, partition_kinetic_energy(run.positions, run.velocities, masses), strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-10, atol=1e-16)
    motion = internal_motion_of(hcl_morse)
    assert isinstance(motion, DiatomicMotion)
    rate = motion.follow()(run.positions, run.velocities)
    assert torch.equal(rate[..., 0], bond_velocity(run.positions, run.velocities))


@MOLECULES
def test_bond_lengths_do_not_depend_on_place_and_direction(molecule):
    run, _, _ = molecule.run()
    turn = rotations(1, torch.Generator().manual_seed(5))[0]
    moved = run.positions @ turn.mT + 7.0
    torch.testing.assert_close(molecule.motion.lengths(moved), molecule.motion.lengths(run.positions))
    torch.testing.assert_close(
        molecule.motion.first_rate(moved, run.velocities @ turn.mT),
        molecule.motion.first_rate(run.positions, run.velocities),
        rtol=0,
        atol=1e-14,
    )
    rate = molecule.motion.first_rate(run.positions, run.velocities)[:, 1:-1]
    first = molecule.motion.lengths(run.positions)[..., 0]
    torch.testing.assert_close((first[:, 2:] - first[:, :-2]) / 1.0, rate, rtol=0, atol=2e-2 * float(rate.max()))


def test_bonds_are_the_near_pairs():
    assert WATER.motion.bonds == CARBON_DIOXIDE.motion.bonds == ((0, 1), (0, 2))
    assert (WATER.motion.first_bond, CARBON_DIOXIDE.motion.first_bond) == ("O1-H2", "C1-O2")
    apart = torch.tensor([[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [7.5, 0.0, 0.0]], dtype=torch.float64)
    assert bonded_pairs(("Ar", "Ar", "Ar"), apart) == ((1, 2),)


def test_modes_of_one_wavenumber_share_a_line():
    lines = lines_of_modes((1306.0, 1306.9, 1307.8, 1534.0, 1534.5, 2917.0))
    assert [line.modes for line in lines] == [(0, 1, 2), (3, 4), (5,)]
    assert lines[0].harmonic_cm1 == pytest.approx(1306.9)
    assert CARBON_DIOXIDE.motion.n_modes == 4


def test_many_atoms_without_modes_are_refused(hcl_morse):
    positions = tuple(tuple(row) for row in WATER.reference.tolist())
    bare = System("H2O", WATER.symbols, WATER.masses_u, hcl_morse.hamiltonian, 0.5, 9.0, positions)
    with pytest.raises(ConfigError, match="system H2O has 3 atoms and no normal modes"):
        internal_motion_of(bare)
    assert isinstance(internal_motion_of(System(*_fields(bare), modes=WATER.modes)), MoleculeMotion)


def _fields(system):
    return (
        system.name,
        system.symbols,
        system.masses_u,
        system.hamiltonian,
        system.dt_fs,
        system.period_fs,
        system.equilibrium_A,
    )
