import pytest
import torch
from contracts.molecules import MOLECULES

from mlmd.decomposition import internal_velocity

every_molecule = pytest.mark.parametrize("molecule", MOLECULES.values(), ids=MOLECULES)


def momenta(molecule, positions, velocities):
    x = positions - (molecule.masses * positions).sum(dim=-2, keepdim=True) / molecule.masses.sum()
    return (molecule.masses * velocities).sum(dim=-2), torch.linalg.cross(x, molecule.masses * velocities).sum(dim=-2)


@every_molecule
def test_carries_no_momentum_and_is_what_the_rigid_motion_leaves(molecule):
    positions, velocities = molecule.states(20)
    internal = internal_velocity(positions, velocities, molecule.masses)
    for momentum in momenta(molecule, positions, internal):
        torch.testing.assert_close(momentum, torch.zeros_like(momentum), rtol=0, atol=1e-12)
    assert float(internal.abs().max()) > 1e-3
    spin, shift = torch.tensor([[0.01, -0.02, 0.03], [0.1, 0.2, -0.1]], dtype=torch.float64)
    rigid = torch.linalg.cross(spin.expand_as(positions), positions) + shift
    torch.testing.assert_close(
        internal_velocity(positions, velocities + rigid, molecule.masses), internal, rtol=0, atol=1e-12
    )
    torch.testing.assert_close(
        internal_velocity(positions, internal, 7 * molecule.masses), internal, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", ["CO2", "C2HD"])
def test_a_straight_molecule_vibrates_along_and_across_its_axis(name):
    molecule = MOLECULES[name]
    vibration = molecule.vibration()
    shares = vibration.shares.reshape(vibration.n_components, -1, 3)
    internal = internal_velocity(molecule.reference.expand_as(shares), 0.01 * shares, molecule.masses)
    torch.testing.assert_close(internal, 0.01 * shares, rtol=0, atol=1e-11)
