import math

import pytest
import torch
from contracts.decomposition import few_examples, numbers, rotations
from contracts.molecules import CARBON_DIOXIDE, DT_FS, MOLECULES, WATER, Molecule, frequencies
from hypothesis import assume, given
from hypothesis import strategies as st

from mlmd.decomposition import DiatomicVibration, MolecularVibration, internal_velocity
from mlmd.errors import ConfigError
from mlmd.units import ACCELERATION

every_molecule = pytest.mark.parametrize("molecule", MOLECULES.values(), ids=MOLECULES)
every_linear = pytest.mark.parametrize("name", ["CO2", "C2HD"])
CLOSE = {"rtol": 0, "atol": 1e-13}


@st.composite
def motions(draw, molecule: Molecule, *, turning: bool = False):
    """Displaced by up to 0.1 A, turned and moved; ``turning``: with angular momentum across the axis."""
    n_atoms = len(molecule.symbols)
    turn = draw(rotations())
    positions = (molecule.reference + draw(numbers(n_atoms, 3, size=0.1))) @ turn + draw(numbers(3, size=5.0))
    velocities = draw(numbers(n_atoms, 3, size=0.02))
    if turning:
        across = momenta(molecule, positions, velocities)[1] @ turn.mT
        assume(float(across[:2].norm()) > 1e-3)
    return positions, velocities


def momenta(molecule, positions, vectors):
    """Linear and angular momentum (about the centre of mass)."""
    x = positions - (molecule.masses * positions).sum(dim=-2, keepdim=True) / molecule.masses.sum()
    weighted = molecule.masses * vectors
    return weighted.sum(dim=-2), torch.linalg.cross(x, weighted).sum(dim=-2)


def torque_free(molecule, motion, vectors):
    return internal_velocity(motion[0], vectors, molecule.masses)


@every_molecule
@few_examples
@given(data=st.data())
def test_a_kick_carries_no_momentum_and_no_torque(molecule, data):
    motion, vibration = data.draw(motions(molecule)), molecule.vibration()
    kick = vibration.decode(vibration.frame(*motion), data.draw(numbers(vibration.n_components, size=0.1)))
    momentum, torque = momenta(molecule, motion[0], kick)
    torch.testing.assert_close(momentum, torch.zeros_like(momentum), rtol=0, atol=1e-13)  # 16 u at up to 5 A
    torch.testing.assert_close(torque, torch.zeros_like(torque), rtol=0, atol=1e-14)


@every_molecule
@few_examples
@given(data=st.data())
def test_decode_after_project_is_the_identity_on_kicks_without_torque(molecule, data):
    motion, vibration = data.draw(motions(molecule)), molecule.vibration()
    kick = torque_free(molecule, motion, data.draw(numbers(len(molecule.symbols), 3, size=0.1)))
    frame = vibration.frame(*motion)
    bend = frame.body[..., :2].norm()
    assume(not molecule.is_linear or float(bend) > 1e-3)  # what is nearly straight turns fast about its axis
    again = vibration.decode(frame, vibration.project(frame, kick))
    torch.testing.assert_close(again, kick, rtol=0, atol=1e-11 if molecule.is_linear else 1e-14)


@pytest.mark.parametrize("name", ["H2O", "H2O2"])
@few_examples
@given(data=st.data())
def test_project_after_decode_is_the_identity(name, data):
    molecule = MOLECULES[name]
    motion, vibration = data.draw(motions(molecule)), molecule.vibration()
    frame, components = vibration.frame(*motion), data.draw(numbers(vibration.n_components, size=0.1))
    torch.testing.assert_close(vibration.project(frame, vibration.decode(frame, components)), components, **CLOSE)


@every_linear
@few_examples
@given(data=st.data())
def test_a_linear_molecule_takes_the_nearest_kick_without_torque_about_its_axis(name, data):
    molecule = MOLECULES[name]
    motion, vibration = data.draw(motions(molecule)), molecule.vibration()
    frame, components = vibration.frame(*motion), data.draw(numbers(vibration.n_components, size=0.1))
    taken = vibration.project(frame, vibration.decode(frame, components))
    again = vibration.project(frame, vibration.decode(frame, taken))
    torch.testing.assert_close(again, taken, **CLOSE)  # what is represented stays
    # What is dropped has one direction, that of e × b, and lies across all that is kept.
    x, y = frame.body[..., 0], frame.body[..., 1]
    about = torch.stack((-y, x, torch.zeros_like(x)), dim=-1)
    direction = vibration.weighted @ about.flatten(-2)
    dropped = components - taken
    size = direction.norm()
    torch.testing.assert_close(dropped * size**2, direction * (direction @ dropped), rtol=0, atol=1e-15)
    if size > 1e-3:
        assert abs(float(direction @ taken)) < 1e-14


@every_linear
def test_a_straight_molecule_keeps_every_component(name):
    vibration, molecule = MOLECULES[name].vibration(), MOLECULES[name]
    for velocities in (torch.zeros_like(molecule.reference), 0.01 * torch.randn_like(molecule.reference)):
        frame = vibration.frame(molecule.reference, velocities)
        components = torch.linspace(-0.1, 0.1, vibration.n_components, dtype=torch.float64)
        again = vibration.project(frame, vibration.decode(frame, components))
        torch.testing.assert_close(again, components, **CLOSE)
        assert bool(vibration.encode(frame, velocities).isfinite().all())


@every_molecule
@few_examples
@given(data=st.data())
def test_numbers_do_not_turn_and_kicks_do(molecule, data):
    motion, vibration = data.draw(motions(molecule, turning=True)), molecule.vibration()
    turn, step, boost = data.draw(rotations()), data.draw(numbers(3, size=5.0)), data.draw(numbers(3, size=0.1))
    vectors = data.draw(numbers(len(molecule.symbols), 3, size=0.1))
    moved = motion[0] @ turn.mT + step, motion[1] @ turn.mT + boost
    here, there = vibration.frame(*motion), vibration.frame(*moved)
    bend = float(here.body[..., :2].norm())
    assume(not molecule.is_linear or bend > 1e-6)  # of a straight molecule, round-off decides where it bends to
    close = {"rtol": 0, "atol": 1e-11}  # little angular momentum magnifies round-off of the second axis
    torch.testing.assert_close(vibration.encode(there, moved[1]), vibration.encode(here, motion[1]), **close)
    torch.testing.assert_close(vibration.coordinates(there, moved[0]), vibration.coordinates(here, motion[0]), **close)
    components = vibration.project(here, vectors)
    torch.testing.assert_close(vibration.project(there, vectors @ turn.mT), components, **close)
    torch.testing.assert_close(
        vibration.decode(there, components), vibration.decode(here, components) @ turn.mT, **close
    )


@every_molecule
@few_examples
@given(data=st.data())
def test_the_frame_fulfils_the_eckart_conditions_and_modes_give_the_positions_back(molecule, data):
    motion, vibration = data.draw(motions(molecule)), molecule.vibration()
    frame = vibration.frame(*motion)
    torch.testing.assert_close(frame.axes @ frame.axes.mT, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-14)
    assert float(torch.linalg.det(frame.axes)) == pytest.approx(1.0, abs=1e-13)
    turn = torch.linalg.cross(molecule.reference, molecule.masses * frame.body).sum(dim=-2)
    torch.testing.assert_close(turn, torch.zeros_like(turn), rtol=0, atol=1e-13)
    coordinates = vibration.coordinates(frame, motion[0])
    body = molecule.reference + (coordinates @ vibration.shares).reshape(-1, 3)
    torch.testing.assert_close(body, frame.body, **CLOSE)


@every_molecule
def test_any_leading_axes_and_the_declared_sizes(molecule):
    vibration = molecule.vibration()
    positions, velocities = molecule.states(6)
    frame = vibration.frame(positions, velocities)
    single = [vibration.encode(frame, velocities), vibration.coordinates(frame, positions)]
    single += [vibration.project(frame, velocities)]
    sizes = [each.shape[-1] for each in single]
    assert sizes == [vibration.n_features, vibration.n_coordinates, vibration.n_components]
    n_modes = 3 * len(molecule.symbols) - (5 if molecule.is_linear else 6)
    assert sizes == [n_modes + (1 if molecule.is_linear else 3), n_modes, n_modes]
    shaped = [each.reshape(2, 3, -1, 3) for each in (positions, velocities)]
    frame = vibration.frame(*shaped)
    many = [vibration.encode(frame, shaped[1]), vibration.coordinates(frame, shaped[0])]
    many += [vibration.project(frame, shaped[1])]
    for one, more in zip(single, many, strict=True):
        torch.testing.assert_close(more.reshape(6, -1), one, **CLOSE)
    kick = vibration.decode(frame, many[2])
    torch.testing.assert_close(
        kick.reshape(6, -1, 3), vibration.decode(vibration.frame(positions, velocities), single[2])
    )


@every_molecule
def test_a_harmonic_molecule_obeys_the_linear_law_while_it_turns(molecule):
    """p_n = p_{n-1} - dt^2 omega^2 rate, the reason for what is read and when."""
    system, vibration = molecule.system(), molecule.vibration()
    positions, velocities = molecule.states(4)
    omega, last = frequencies(molecule), None
    gain, start = DT_FS * ACCELERATION / molecule.masses, positions
    for _ in range(60):
        kick = gain * system.hamiltonian.energy_and_forces(positions)[1]
        frame = vibration.frame(positions, velocities)
        components = vibration.project(frame, kick)
        torch.testing.assert_close(vibration.decode(frame, components), kick, rtol=0, atol=1e-14)
        rates = vibration.encode(frame, velocities)[:, : vibration.n_components]
        if last is not None:
            torch.testing.assert_close(components, last - (DT_FS * omega) ** 2 * rates, rtol=0, atol=1e-14)
        last = components
        velocities = velocities + kick
        positions = positions + DT_FS * velocities
    assert float(last.abs().max()) > 1e-3
    assert float((positions - start).abs().max()) > 0.05


@every_molecule
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_rigid_rotation_is_read_as_one(molecule, axis):
    spin = 1e-5 * torch.eye(3, dtype=torch.float64)[axis]
    positions = molecule.reference
    velocities = torch.linalg.cross(spin.expand_as(positions), positions)
    inertia = float((molecule.masses * velocities.square()).sum().sqrt())
    vibration = molecule.vibration()
    read = vibration.encode(vibration.frame(positions, velocities), velocities)
    rates, rotation = read[: vibration.n_components], read[vibration.n_components :]
    assert float(rates.abs().max()) < 1e-8  # half a turn of the step, squared
    assert float(rotation.norm()) == pytest.approx(inertia, rel=1e-6, abs=1e-12)


def test_two_atoms_are_the_diatomic():
    masses = (1.0078250319, 34.968852694)
    pair = Molecule(("H", "Cl"), masses, ((0.0, 0.0, -1.24), (0.0, 0.0, 0.035)))
    mode = pair.modes()
    sign = math.copysign(1.0, mode[0][1][2])
    ours, theirs = pair.vibration(0.5), DiatomicVibration(masses, 0.5)
    root = math.sqrt(masses[0] * masses[1] / sum(masses))
    generator = torch.Generator().manual_seed(1)
    positions, velocities = torch.randn(2, 50, 2, 3, dtype=torch.float64, generator=generator)
    velocities = 0.02 * velocities
    here, there = ours.frame(positions, velocities), theirs.frame(positions, velocities)
    signs = torch.tensor([sign, 1.0], dtype=torch.float64)
    expected = root * signs * theirs.encode(there, velocities)
    torch.testing.assert_close(ours.encode(here, velocities), expected, rtol=0, atol=1e-13)
    components = theirs.project(there, velocities)
    torch.testing.assert_close(ours.project(here, velocities), sign * root * components, rtol=0, atol=1e-15)
    kicks = ours.decode(here, sign * root * components)
    torch.testing.assert_close(kicks, theirs.decode(there, components), rtol=0, atol=1e-14)
    lengths = theirs.coordinates(there, positions) - 1.275
    torch.testing.assert_close(ours.coordinates(here, positions), sign * root * lengths, rtol=0, atol=1e-14)


@every_linear
def test_without_angular_momentum_the_frame_does_not_turn_about_the_axis(name):
    """Bends in one plane: no angular momentum, but for round-off, which must not choose the axes."""
    molecule = MOLECULES[name]
    vibration, n_bends = molecule.vibration(), len(molecule.symbols) - 2
    plane = torch.zeros(vibration.n_components, dtype=torch.float64)
    plane[:n_bends] = 1.0
    shape = (vibration.shares.T @ plane).reshape(-1, 3)
    seen = []
    for phase in torch.linspace(0.0, 6.0, 25, dtype=torch.float64):
        stray = 1e-17 * torch.randn(len(molecule.symbols), 3, dtype=torch.float64)
        positions, velocities = molecule.reference + 0.1 * phase.cos() * shape, -0.01 * phase.sin() * shape + stray
        frame = vibration.frame(positions, velocities)
        seen.append(vibration.project(frame, shape))
    torch.testing.assert_close(torch.stack(seen), seen[0].expand(25, -1), rtol=0, atol=1e-13)


def test_modes_of_finite_differences_are_made_exact():
    noise = 1e-5 * torch.randn(3, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rough = (torch.tensor(WATER.modes(), dtype=torch.float64) + noise).tolist()
    vibration = MolecularVibration(WATER.masses_u, DT_FS, WATER.reference_A, rough)
    torch.testing.assert_close(vibration.weighted @ vibration.shares.mT, torch.eye(3, dtype=torch.float64), **CLOSE)
    roots = WATER.masses.sqrt()
    for still in (roots.expand(3, 3), roots * torch.linalg.cross(torch.ones(3, 3).double(), WATER.reference)):
        along = (vibration.shares.reshape(3, 3, 3) * roots * still).sum(dim=(-2, -1))
        torch.testing.assert_close(along, torch.zeros_like(along), **CLOSE)


def test_bad_references_are_refused():
    modes = WATER.modes()
    with pytest.raises(ConfigError, match="3 atoms have 3 or 4 vibrations, not 2"):
        MolecularVibration(WATER.masses_u, DT_FS, WATER.reference_A, modes[:2])
    with pytest.raises(ConfigError, match=r"no orthonormal vibrations of the reference geometry \(by .*\); relax it"):
        MolecularVibration(WATER.masses_u, DT_FS, WATER.reference_A, (modes[0], modes[1], modes[1]))
    turned = tuple((z, x, y) for x, y, z in CARBON_DIOXIDE.reference_A)
    with pytest.raises(ConfigError, match=r"must lie along z in its reference geometry, an atom is 2\.320 A off it"):
        MolecularVibration(CARBON_DIOXIDE.masses_u, DT_FS, turned, CARBON_DIOXIDE.modes())


@every_linear
def test_round_off_decides_nothing_of_a_straight_molecule(name):
    """Turned and moved, a molecule that is straight but for round-off has the same kick, and one without momentum."""
    molecule = MOLECULES[name]
    vibration, generator = molecule.vibration(), torch.Generator().manual_seed(1)
    here = vibration.frame(molecule.reference, torch.zeros_like(molecule.reference))
    for _ in range(20):
        turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))
        turn = turn * torch.linalg.det(turn)
        vectors = 0.1 * torch.randn(molecule.reference.shape, dtype=torch.float64, generator=generator)
        positions = molecule.reference @ turn.mT + torch.tensor([0.0, 5.0, 0.0])
        there = vibration.frame(positions, torch.zeros_like(positions))
        kick = vibration.decode(there, vibration.project(there, vectors @ turn.mT))
        # About the axis the frame at rest is a fixed one, so kicks are compared by what does not depend on it.
        expected = vibration.decode(here, vibration.project(here, vectors))
        torch.testing.assert_close(kick.norm(dim=-1), expected.norm(dim=-1), rtol=0, atol=1e-9)
        momentum, torque = momenta(molecule, positions, kick)
        assert float(momentum.norm()) < 1e-8  # of 1.6; round-off of positions at 5 A, over 1e-10 A
        assert float(torque.norm()) < 1e-8
