import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mlmd.hamiltonians.molecule_frame import MoleculeFrame

WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.48], [0.0, -0.76, -0.48]])
CO2 = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.16], [0.0, 0.0, -1.16]])
HCL = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.29]])
SHAPES = {"water": WATER, "CO2": CO2, "HCl": HCL}


def moved(shape, seed, size=0.05):
    return shape + size * np.random.default_rng(seed).normal(size=shape.shape)


def turned(positions, seed):
    return positions @ Rotation.random(random_state=seed).as_matrix().T + np.random.default_rng(seed).normal(size=3)


def energy_and_gradient(positions):
    """An energy that depends on how a molecule lies, more than any grid's does."""
    field = np.array([0.3, -0.2, 0.5])
    along = positions @ field
    return float(np.sum(along**3 + np.sum(positions**4, axis=1))), (3 * along[:, None] ** 2 * field + 4 * positions**3)


@pytest.mark.parametrize("name", SHAPES)
@given(seed=st.integers(0, 2**31))
def test_where_a_molecule_stands_does_not_matter(name, seed):
    frame = MoleculeFrame()
    frame.turn(moved(SHAPES[name], seed))
    still = frame.turn(moved(SHAPES[name], seed + 1))
    again = frame.turn(turned(moved(SHAPES[name], seed + 1), seed + 2))
    if name == "CO2":  # whose turn about its axis is left open
        still, again = (np.stack([np.hypot(at[:, 0], at[:, 1]), at[:, 2]]) for at in (still, again))
    assert again == pytest.approx(still, abs=1e-6)


@pytest.mark.parametrize("name", SHAPES)
@given(seed=st.integers(0, 2**31))
def test_distances_and_handedness_are_kept(name, seed):
    frame, positions = MoleculeFrame(), moved(SHAPES[name], seed)
    at = frame.turn(positions)
    assert np.linalg.det(frame.rotation) == pytest.approx(1.0)
    assert np.linalg.norm(at[1] - at[0]) == pytest.approx(np.linalg.norm(positions[1] - positions[0]))
    assert at.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)


@pytest.mark.parametrize("name", ["water", "HCl"])
@given(seed=st.integers(0, 2**31))
def test_the_gradient_is_that_of_the_energy_in_the_frame(name, seed):
    frame, positions = MoleculeFrame(), turned(moved(SHAPES[name], seed + 1), seed)
    frame.turn(moved(SHAPES[name], seed))
    gradient = frame.turn_back(energy_and_gradient(frame.turn(positions))[1])
    direction = np.random.default_rng(seed).normal(size=positions.shape)
    width = 1e-4
    ahead, behind = (energy_and_gradient(frame.turn(positions + sign * width * direction))[0] for sign in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx((ahead - behind) / (2 * width), abs=1e-5)


@pytest.mark.parametrize("name", SHAPES)
@given(seed=st.integers(0, 2**31))
def test_forces_have_no_net_force(name, seed):
    frame = MoleculeFrame()
    frame.turn(moved(SHAPES[name], seed))
    gradient = frame.turn_back(energy_and_gradient(frame.turn(moved(SHAPES[name], seed + 1)))[1])
    assert gradient.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-12)


@given(seed=st.integers(0, 2**31))
def test_forces_have_no_torque(seed):
    frame, positions = MoleculeFrame(), turned(moved(WATER, seed + 1), seed)
    frame.turn(moved(WATER, seed))
    gradient = frame.turn_back(energy_and_gradient(frame.turn(positions))[1])
    assert np.cross(positions, gradient).sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-10)


def test_one_atom_has_no_frame_but_does_no_harm():
    frame = MoleculeFrame()
    assert frame.turn(np.ones((1, 3))).tolist() == [[0.0, 0.0, 0.0]]
    assert frame.turn_back(np.ones((1, 3))).tolist() == [[0.0, 0.0, 0.0]]


def test_a_bend_that_changes_its_sign_turns_no_line():
    frame = MoleculeFrame()
    frame.turn(CO2)
    bent = CO2 + np.array([[0.02, 0.0, 0.0], [-0.01, 0.0, 0.0], [-0.01, 0.0, 0.0]])
    before = frame.turn(bent)
    after = frame.turn(bent * np.array([-1.0, 1.0, 1.0]))
    assert after == pytest.approx(before * np.array([[-1.0, -1.0, 1.0]]), abs=1e-6)
