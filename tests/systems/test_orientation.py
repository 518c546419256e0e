import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlmd.systems.orientation import canonical_basis, group_equal, oriented
from mlmd.systems.relaxation import n_fragments, rigid_motions
from mlmd.systems.rigid import angular_momentum, random_rotations, rigid_rotation, without_rotation

seeds = st.integers(0, 2**32 - 1)


def molecule(seed, n_atoms):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_atoms, 3)), rng.uniform(1.0, 40.0, n_atoms), rng


def rotation(rng):
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return matrix * np.linalg.det(matrix)


@given(seeds, st.integers(4, 9))
def test_the_frame_is_the_molecule_itself_however_it_is_given(seed, n_atoms):
    positions, masses, rng = molecule(seed, n_atoms)
    own, linear = oriented(positions, masses)
    again, _ = oriented(positions @ rotation(rng).T + rng.normal(size=3), masses)
    assert not linear
    assert np.abs(masses @ own).max() < 1e-11
    assert np.abs(again - own).max() < 1e-7
    # A rotation, no mirror image: signed volumes of the atoms are kept.
    volume, was = (np.linalg.det(points[1:4] - points[0]) for points in (own, positions))
    assert volume == pytest.approx(was, rel=1e-9)


@given(seeds, st.integers(2, 6), st.floats(0.0, 1e-5))
def test_linear_molecules_are_snapped_onto_z(seed, n_atoms, roughness):
    _, masses, rng = molecule(seed, n_atoms)
    along = np.cumsum(rng.uniform(0.8, 1.5, n_atoms))
    line = np.stack([0 * along, 0 * along, along], axis=1) + roughness * rng.normal(size=(n_atoms, 3))
    own, linear = oriented(line @ rotation(rng).T, masses)
    assert linear
    assert np.abs(own[:, :2]).max() == 0.0
    assert own[0, 2] < own[-1, 2]
    assert np.diff(own[:, 2]) == pytest.approx(np.diff(along), abs=1e-4)


def test_a_slightly_bent_molecule_is_not_linear():
    masses = np.array([12.0, 16.0, 16.0])
    for bend, straight in ((1e-2, False), (1e-4, True)):
        assert oriented(np.array([[0, bend, 0], [0, 0, 1.16], [0, 0, -1.16]]), masses)[1] is straight


@given(seeds, st.integers(1, 3))
def test_a_canonical_basis_spans_the_space_whatever_basis_it_is_given(seed, n):
    rng = np.random.default_rng(seed)
    space, _ = np.linalg.qr(rng.normal(size=(9, n)))
    mixed, _ = np.linalg.qr(rng.normal(size=(n, n)))
    first, second = canonical_basis(space), canonical_basis(space @ mixed)
    assert np.abs(first.T @ first - np.eye(n)).max() < 1e-10
    assert np.abs(first @ first.T - space @ space.T).max() < 1e-10
    if n > 1:  # the sign of a single vector is its mode's
        assert np.abs(first - second).max() < 1e-8


def test_equal_values_are_grouped_by_their_neighbours():
    assert group_equal(np.array([1.0, 1.4, 1.8, 3.0]), 0.5) == [slice(0, 3), slice(3, 4)]


def test_rigid_motions_are_six_or_five():
    rng = np.random.default_rng(1)
    assert rigid_motions(rng.normal(size=(4, 3)), np.ones(4)).shape == (12, 6)
    assert rigid_motions(np.array([[0, 0, 0], [0, 1.0, 1], [0, 2, 2]]), np.ones(3)).shape == (9, 5)


def test_fragments_are_counted_through_chains():
    chain = np.array([[1.5 * index, 0, 0] for index in range(9)])
    assert n_fragments(("C",) * 9, chain) == 1
    chain[5:] += [4.0, 0, 0]
    assert n_fragments(("C",) * 9, chain) == 2


def test_random_rotations_are_rotations_of_all_directions():
    turns = random_rotations(4000, torch.Generator().manual_seed(1))
    assert float((turns @ turns.mT - torch.eye(3, dtype=torch.float64)).abs().max()) < 1e-13
    assert torch.linalg.det(turns).tolist() == pytest.approx([1.0] * 4000)
    # The mean of a rotation matrix is 0 and that of its squared entries 1/3; the trace has the mean 0 and square 1.
    assert float(turns.mean(dim=0).abs().max()) < 4 / (3 * 4000) ** 0.5
    assert float((turns.square().mean(dim=0) - 1 / 3).abs().max()) < 4 * (4 / 45 / 4000) ** 0.5
    traces = turns.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert float(traces.square().mean()) == pytest.approx(1.0, abs=0.1)


@given(seeds, st.integers(2, 6))
def test_rotation_is_taken_out_and_put_in(seed, n_atoms):
    positions, masses, rng = (torch.as_tensor(x) if isinstance(x, np.ndarray) else x for x in molecule(seed, n_atoms))
    positions = positions - (masses @ positions) / masses.sum()
    velocities = torch.as_tensor(rng.normal(size=(n_atoms, 3)))
    still = without_rotation(positions[None], velocities[None], masses)
    scale = float(
        (masses[:, None] * positions.norm(dim=-1, keepdim=True) * velocities.norm(dim=-1, keepdim=True)).sum()
    )
    assert float(angular_momentum(positions[None], still, masses).abs().max()) < 1e-9 * scale
    momentum = angular_momentum(positions, velocities, masses)[None]
    turning = rigid_rotation(positions[None], masses, momentum)
    assert float((angular_momentum(positions[None], turning, masses) - momentum).abs().max()) < 1e-9 * scale
    stretching = torch.linalg.vecdot(turning[0][0] - turning[0][1], positions[0] - positions[1])
    assert abs(float(stretching)) < 1e-9 * float(turning.abs().max())
