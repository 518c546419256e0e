"""Engines on molecules of more than two atoms: the compiled one and the graph's step against the eager one."""

import copy
from typing import Any

import pytest
import torch
from contracts.engine import assert_same, roll
from contracts.molecules import ACETYLENE, CARBON_DIOXIDE, DT_FS, MOLECULES, WATER, Molecule

from mlmd.models import VelocityPredictor
from mlmd.propagation import AutoEngine, EagerEngine, FrameBuffer, Periodic, Propagator, reference_dynamics
from mlmd.propagation.engines.cpu import NumbaEngine, has_compiled_form
from mlmd.propagation.engines.cpu.lanes import LANES
from mlmd.propagation.engines.cuda.graphs import StaticRollout, plays
from mlmd.propagation.engines.cuda.limits import why_not

VARIANTS = {
    "DuR0": {},
    "DuR2-history-3": {"coordinate_frames": 2, "history": 3},
    "DvR0-plain": {"target": "velocity", "shortcut": False},
    "DuR1-window": {"coordinate_frames": 1, "memory_kind": "window", "memory_length": 4},
}


@pytest.fixture(scope="module")
def make_molecular(make_spec: Any) -> Any:
    """A predictor whose scales are fitted on the harmonic molecule; ``says`` scales what its network says."""

    def make(molecule: Molecule, *, says: float = 0.1, noise: float = 0.02, **changes: Any) -> VelocityPredictor:
        system = molecule.system()
        atoms = {"system": system.name, "symbols": system.symbols, "masses_u": system.masses_u, "dt_fs": DT_FS}
        geometry = {"reference_A": system.equilibrium_A, "modes": system.modes.vectors}  # type: ignore[union-attr]
        with torch.random.fork_rng():
            torch.manual_seed(3)
            predictor = VelocityPredictor(make_spec(**(atoms | geometry | changes)))
            torch.nn.init.normal_(predictor.network.head.weight, std=says)
        propagator = Propagator.begin(reference_dynamics(system), *molecule.states(3, seed=5))
        features, targets = predictor.training_pairs(propagator.advance(60))
        predictor.scaling.fit(features.flatten(0, 1), targets.flatten(0, 1), noise=noise)
        return predictor.eval()

    return make


@pytest.mark.parametrize(
    ("molecule", "n_replicas"),
    # A single replica, a narrow tile and a wide one; each kernel takes seconds to compile.
    [(WATER, 1), (WATER, LANES - 1), (WATER, 2 * LANES + 3), (CARBON_DIOXIDE, 1), (CARBON_DIOXIDE, LANES - 1)],
)
def test_the_compiled_engine_gives_the_eager_trajectory(
    molecule: Molecule, n_replicas: int, make_molecular: Any
) -> None:
    system, states, predictor = molecule.system(), molecule.states(n_replicas), make_molecular(molecule)
    expected, actual = (
        roll(system, predictor, states, engine, n_steps=40, every=2)[1]
        for engine in (EagerEngine(), NumbaEngine(threads=1))
    )
    assert_same(actual, expected, dt_fs=DT_FS, n_steps=40)


@pytest.mark.parametrize("molecule", MOLECULES.values(), ids=MOLECULES)
@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_any_variant_of_any_molecule(molecule: Molecule, changes: Any, make_molecular: Any) -> None:
    system, states, predictor = molecule.system(), molecule.states(2), make_molecular(molecule, **changes)
    expected, actual = (
        roll(system, predictor, states, engine, n_steps=30)[1] for engine in (EagerEngine(), NumbaEngine(threads=1))
    )
    assert_same(actual, expected, dt_fs=DT_FS, n_steps=30)


def test_a_linear_molecule_that_does_not_turn(make_molecular: Any) -> None:
    """Its second axis is chosen by rule, and by the same rule."""
    positions = ACETYLENE.reference.expand(2, 4, 3)
    shapes = ACETYLENE.vibration().shares.reshape(-1, 4, 3)
    velocities = 0.02 * torch.stack((shapes[0] + shapes[-1], shapes[2]))
    system, predictor = ACETYLENE.system(), make_molecular(ACETYLENE)
    expected, actual = (
        roll(system, predictor, (positions, velocities), engine, n_steps=40)[1]
        for engine in (EagerEngine(), NumbaEngine(threads=1))
    )
    assert_same(actual, expected, dt_fs=DT_FS, n_steps=40)


@pytest.mark.parametrize("molecule", MOLECULES.values(), ids=MOLECULES)
def test_the_linear_law_follows_the_harmonic_molecule(molecule: Molecule, make_molecular: Any) -> None:
    """Fitted without noise it is exact, so 200 learned steps stay with Verlet while the molecule turns."""
    predictor = make_molecular(molecule, network=False, noise=0.0)
    system, states = molecule.system(), molecule.states(2)
    learned = roll(system, predictor, states, AutoEngine(), n_steps=200, schedule=Periodic(0.0))[1]
    reference = Propagator.begin(reference_dynamics(system), *states)
    true = reference.advance(200)
    torch.testing.assert_close(learned.positions, true.positions, rtol=0.0, atol=1e-6)
    momenta = [
        torch.linalg.cross(run.positions[:, -1], molecule.masses * run.velocities[:, -1]).sum(dim=-2)
        for run in (learned, true)
    ]
    torch.testing.assert_close(*momenta, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("frame", ["lab", "molecule"])
@pytest.mark.parametrize("target", ["velocity", "update"])
def test_cartesian_components_of_three_atoms(frame: str, target: str, make_molecular: Any) -> None:
    predictor = make_molecular(WATER, components="cartesian", frame=frame, target=target)
    assert has_compiled_form(predictor.decomposition) == (frame == "lab")
    system, states = WATER.system(), WATER.states(2)
    expected, actual = (
        roll(system, predictor, states, engine, n_steps=30)[1] for engine in (EagerEngine(), AutoEngine())
    )
    assert_same(actual, expected, dt_fs=DT_FS, n_steps=30)
    assert bool(actual.positions.isfinite().all())


@pytest.mark.parametrize("molecule", [WATER, CARBON_DIOXIDE], ids=["H2O", "CO2"])
def test_the_step_that_a_graph_records_is_the_eager_one(molecule: Molecule, make_molecular: Any) -> None:
    predictor, system = make_molecular(molecule), molecule.system()
    assert why_not(predictor, shared_bytes=200_000) == "MolecularVibration is not written in it"
    propagator, _ = roll(system, predictor, molecule.states(3), EagerEngine(), n_steps=20)
    state, learned = propagator.state, propagator.learned
    assert learned is not None
    theirs = copy.deepcopy(learned)
    rollout = StaticRollout(predictor, state, learned.memory, dt_fs=DT_FS)
    frames, expected_frames = (FrameBuffer(state, first_step=20, n_steps=8) for _ in range(2))
    by = plays(rollout, state, learned.memory)
    with torch.no_grad():
        after, kicks = rollout.run(state, learned.memory, 8, frames=frames, by=by)
        expected, true_kicks = EagerEngine().advance(state, theirs, 8, dt_fs=DT_FS, frames=expected_frames)
    torch.testing.assert_close(after.positions, expected.positions, rtol=0.0, atol=1e-12)
    torch.testing.assert_close(kicks, true_kicks, rtol=0.0, atol=1e-12)
