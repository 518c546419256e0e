import math

import pytest
import torch
from contracts.molecules import CARBON_DIOXIDE, DT_FS, MOLECULES, WATER

from mlmd.decomposition import BodyCartesian, LabCartesian, body_geometry
from mlmd.errors import PhysicsError


def geometry(molecule):
    return body_geometry(molecule.masses_u, DT_FS, molecule.reference_A, len(molecule.modes()))


def domain(molecule):
    return BodyCartesian(geometry(molecule))


def water(angle, length=0.96):
    half = math.radians(angle / 2)
    places = [[0, 0, 0], [0, math.sin(half), -math.cos(half)], [0, -math.sin(half), -math.cos(half)]]
    return length * torch.tensor(places, dtype=torch.float64)


@pytest.mark.parametrize("molecule", MOLECULES.values(), ids=MOLECULES)
def test_strain_is_the_distance_from_the_reference_over_its_size(molecule):
    positions, velocities = molecule.states(4)
    here = geometry(molecule)
    frame = here.frame(positions, velocities)
    masses, reference = molecule.masses, molecule.reference
    square = (masses * (frame.body - reference).square()).sum(dim=(-2, -1)) / (masses * reference.square()).sum()
    torch.testing.assert_close(here.strain(positions), square.sqrt(), rtol=0, atol=1e-7)
    assert float(here.strain(reference)) < 1e-7
    domain(molecule).check_domain(positions, name="it", symbols=molecule.symbols, step=0)


def test_water_that_straightens_and_carbon_dioxide_that_folds_are_stopped():
    domain(WATER).check_domain(water(140.0)[None], name="H2O", symbols=WATER.symbols, step=7)
    states = torch.stack((water(104.5), water(180.0)))
    with pytest.raises(
        PhysicsError,
        match=r"^H2O has left the region .* at step 7 atoms 1 \(H\) and 2 \(H\) of replica 1 are 1\.92 A apart, "
        r"1\.51 A at equilibrium; use a lower energy, or Cartesian",
    ):
        domain(WATER).check_domain(states, name="H2O", symbols=WATER.symbols, step=7)
    folded = torch.tensor([[0, 0, 0], [1.0, 0, 0.4], [1.0, 0, -0.4]], dtype=torch.float64)
    with pytest.raises(PhysicsError, match=r"step 9 atoms 1 \(O\) and 2 \(O\) of replica 0 are 0\.80 A apart, 2\.32 A"):
        domain(CARBON_DIOXIDE).check_domain(folded[None], name="CO2", symbols=CARBON_DIOXIDE.symbols, step=9)


def test_positions_that_are_nan_are_stopped():
    states = torch.stack((water(104.5), water(math.nan)))
    with pytest.raises(PhysicsError, match="of replica 1 are nan A apart"):
        domain(WATER).check_domain(states, name="H2O", symbols=WATER.symbols, step=1)


def test_replicas_outside_are_distinguished_from_those_inside():
    states = torch.stack((water(104.5), water(180.0), water(140.0), water(math.nan)))
    assert domain(WATER).departed(states).tolist() == [False, True, False, True]
    assert LabCartesian(WATER.masses_u).departed(states) is None, "components in the lab hold everywhere"
    LabCartesian(WATER.masses_u).check_domain(states, name="H2O", symbols=WATER.symbols, step=1)
