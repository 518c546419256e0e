import pytest
import torch
from contracts.molecules import DT_FS, MOLECULES

from mlmd.decomposition import BodyCartesian, body_geometry

every_molecule = pytest.mark.parametrize("molecule", MOLECULES.values(), ids=MOLECULES)
CLOSE = {"rtol": 0, "atol": 1e-13}


def make(molecule, dt_fs=DT_FS):
    return BodyCartesian(body_geometry(molecule.masses_u, dt_fs, molecule.reference_A, len(molecule.modes())))


@every_molecule
def test_every_kick_is_represented(molecule):
    decomposition, (positions, velocities) = make(molecule), molecule.states(5)
    frame, kicks = decomposition.frame(positions, velocities), torch.randn_like(positions)
    components = decomposition.project(frame, kicks)
    torch.testing.assert_close(decomposition.decode(frame, components), kicks, **CLOSE)
    assert components.shape == decomposition.coordinates(frame, positions).shape == (5, 3 * len(molecule.symbols))


@every_molecule
def test_numbers_do_not_turn(molecule):
    decomposition, (positions, velocities) = make(molecule), molecule.states(5)
    velocities = velocities + torch.tensor([0.01, -0.02, 0.03], dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))).Q
    turn = turn * torch.linalg.det(turn)
    moved = positions @ turn.mT + 3.0, velocities @ turn.mT
    here, there = decomposition.frame(positions, velocities), decomposition.frame(*moved)
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(decomposition.encode(there, moved[1]), decomposition.encode(here, velocities), **close)
    torch.testing.assert_close(
        decomposition.coordinates(there, moved[0]), decomposition.coordinates(here, positions), **close
    )


@every_molecule
def test_the_features_are_the_velocity_in_the_frame(molecule):
    """The two differ by what the frame turns in half a step."""
    positions, velocities = molecule.states(5)
    gaps = []
    for dt_fs in (0.02, 0.01):
        decomposition = make(molecule, dt_fs)
        frame = decomposition.frame(positions, velocities)
        gap = decomposition.encode(frame, velocities) - decomposition.project(frame, velocities)
        gaps.append(gap)
    if not molecule.is_linear:  # of a linear one, what turns about the axis is no velocity
        assert float(gaps[0].abs().max()) < 1e-3 * float(velocities.abs().max())
    torch.testing.assert_close(2 * (gaps[0] - gaps[1]), gaps[0], rtol=0, atol=3e-4 if molecule.is_linear else 1e-7)


@pytest.mark.parametrize("name", ["H2O", "H2O2"])
def test_the_features_hold_the_momenta(name):
    molecule = MOLECULES[name]
    decomposition, (positions, velocities) = make(molecule), molecule.states(5)
    frame = decomposition.frame(positions, velocities)
    read = decomposition.encode(frame, velocities).reshape(velocities.shape)
    momentum = torch.linalg.cross(molecule.masses * frame.body, read).sum(dim=-2)
    torch.testing.assert_close(momentum, frame.momentum, **CLOSE)
    total = (molecule.masses * velocities).sum(dim=-2, keepdim=True) @ frame.axes
    torch.testing.assert_close((molecule.masses * read).sum(dim=-2, keepdim=True), total, **CLOSE)
