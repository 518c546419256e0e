import pytest
import torch

from mlmd.data.visited_states import ENERGY_GROWTH, join_visited_states, visit_states
from mlmd.observables import kinetic_energy
from mlmd.propagation import Dynamics, EagerEngine, Injection, Periodic, Propagator
from mlmd.units import ACCELERATION

START, LENGTH = 20, 12


@pytest.fixture(scope="module")
def predictor(make_predictor, reference, hcl_morse):
    """Wrong enough to be told from the Hamiltonian, and near the reference for a while."""
    return make_predictor(reference(hcl_morse, 60), says=0.3, noise=0.02)


@pytest.fixture(scope="module")
def explosive(make_predictor, reference, hcl_morse):
    """Heats up its replicas, each at a rate of its own, until they leave physics."""
    return make_predictor(reference(hcl_morse, 60), says=8.0, shortcut=False)


@pytest.fixture(scope="module")
def visit(hcl_morse, rotating_states):
    def run(predictor, n_steps=60, correction=0.0, frequency=0.0, seed=4, n_replicas=3):
        return visit_states(
            predictor,
            hcl_morse,
            rotating_states(hcl_morse, n_replicas, seed=seed),
            start_step=START,
            n_steps=n_steps,
            length=LENGTH,
            correction=correction,
            frequency=frequency,
            engine=EagerEngine(),
        )

    return run


@pytest.fixture(scope="module")
def rollout(hcl_morse, rotating_states):
    """The frames after the takeover of the same rollout, by hand."""

    def run(predictor, n_steps=60, seed=4, n_replicas=3):
        propagator = Propagator.begin(
            Dynamics(
                system=hcl_morse,
                injection=Injection(Periodic(0.0)),
                predictor=predictor,
                start_step=START,
                engine=EagerEngine(),
            ),
            *rotating_states(hcl_morse, n_replicas, seed=seed),
        )
        propagator.advance(START)
        return propagator.advance(n_steps)

    return run


def hamiltonian_kicks(system, positions):
    forces = system.hamiltonian.energy_and_forces(positions)[1]
    return system.dt_fs * ACCELERATION * forces / system.masses().unsqueeze(-1)


def cut(frames):
    return frames.reshape(-1, LENGTH, *frames.shape[2:])


def test_stretches_are_those_of_the_rollout_one_after_the_other(visit, rollout, predictor):
    states, run = visit(predictor), rollout(predictor)
    assert states.n_stretches == 3 * 5
    for name in ("positions", "velocities", "kicks"):
        assert torch.equal(getattr(states.trajectory, name), cut(getattr(run, name))), name


def test_with_full_correction_the_targets_are_the_hamiltonians_kicks(visit, predictor, hcl_morse):
    states = visit(predictor, correction=1.0)
    expected = hamiltonian_kicks(hcl_morse, states.trajectory.positions)
    torch.testing.assert_close(states.target_kicks, expected, rtol=1e-12, atol=1e-18)
    taken = states.trajectory.kicks
    assert float((taken - expected).norm() / expected.norm()) > 1e-3, "the kicks that were taken are others"


@pytest.mark.parametrize("correction", [0.0, 0.3])
def test_without_full_correction_the_error_of_the_last_kick_is_kept(visit, rollout, predictor, hcl_morse, correction):
    run = rollout(predictor)
    frame = predictor.decomposition.frame(run.positions, run.velocities_before)
    taken = predictor.decomposition.project(frame, run.kicks)
    true = predictor.decomposition.project(frame, hamiltonian_kicks(hcl_morse, run.positions))
    expected = true.clone()
    expected[:, 1:] += (1.0 - correction) * (taken - true)[:, :-1]

    states = visit(predictor, correction=correction)
    frame = predictor.decomposition.frame(states.trajectory.positions, states.trajectory.velocities_before)
    projected = predictor.decomposition.project(frame, states.target_kicks)
    torch.testing.assert_close(projected, cut(expected), rtol=1e-9, atol=1e-15)


def test_inputs_carry_the_learned_update_and_targets_the_asked_one(visit, predictor):
    states = visit(predictor, correction=1.0)
    run, start = states.trajectory, predictor.n_input_history
    features, targets = predictor.training_pairs(run, states.target_kicks)
    frame = predictor.decomposition.frame(run.positions, run.velocities_before)
    n_features = predictor.decomposition.n_features
    updates = predictor.decomposition.project(frame, run.kicks)
    assert torch.equal(features[..., n_features : n_features + updates.shape[-1]], updates[:, start - 1 : -1])
    assert torch.equal(targets, predictor.decomposition.project(frame, states.target_kicks)[:, start:])
    same, own = predictor.training_pairs(run)
    assert torch.equal(same, features)
    assert not torch.equal(own, targets)


def test_a_velocity_target_is_the_velocity_after_the_asked_kick(visit, predictor, make_predictor, reference, hcl_morse):
    plain = make_predictor(reference(hcl_morse, 60), target="velocity", shortcut=False)
    states = visit(predictor)
    run = states.trajectory
    frame = plain.decomposition.frame(run.positions, run.velocities_before)
    expected = plain.decomposition.project(frame, run.velocities_before + states.target_kicks)
    targets = plain.training_pairs(run, states.target_kicks)[1]
    torch.testing.assert_close(targets, expected[:, plain.n_input_history :], rtol=1e-12, atol=0.0)


def test_steps_after_a_replica_leaves_the_domain_are_not_used(visit, rollout, explosive, hcl_morse):
    states, run = visit(explosive, n_replicas=8), rollout(explosive, n_replicas=8)
    energy = hcl_morse.hamiltonian.energy_and_forces(run.positions)[0]
    energy = energy + kinetic_energy(run.velocities, hcl_morse.masses())
    n_sound = [next((t for t in range(60) if not e[t] < ENERGY_GROWTH * e[0]), 60) for e in energy]
    assert 0 < min(n_sound) < 60, "some leave"
    assert states.n_stretches == sum(n // LENGTH for n in n_sound)
    assert states.kept_share == LENGTH * sum(n // LENGTH for n in n_sound) / (8 * 60)
    assert states.n_visited == 8 * 60
    # One call more where a replica is found to have left, and the warm-up before.
    assert states.n_force_calls == sum(min(n + 1, 60) for n in n_sound) + 8 * START
    assert bool(states.target_kicks.isfinite().all())


def test_incomplete_stretches_are_dropped(visit, predictor):
    assert visit(predictor, n_steps=LENGTH + 11).n_stretches == 3
    none = visit(predictor, n_steps=LENGTH - 1)
    assert (none.n_stretches, none.kept_share) == (0, 0.0)
    assert none.target_kicks.shape == none.trajectory.kicks.shape == (0, LENGTH, 2, 3)


def test_visits_join_in_their_order(visit, predictor):
    first, second = visit(predictor, n_steps=24), visit(predictor, n_steps=36, seed=5)
    both = join_visited_states([first, second])
    assert both.n_stretches == 6 + 9
    assert torch.equal(both.target_kicks[6:], second.target_kicks)
    assert torch.equal(both.trajectory.positions[:6], first.trajectory.positions)
    assert both.n_force_calls == first.n_force_calls + second.n_force_calls == 3 * (20 + 24) + 3 * (20 + 36)
    assert len(both.trajectory) == LENGTH


def test_injections_into_the_rollouts_are_visited_and_counted(visit, predictor, hcl_morse):
    plain, injected = visit(predictor), visit(predictor, frequency=0.1)
    assert injected.n_force_calls == plain.n_force_calls + 3 * 6
    true = hamiltonian_kicks(hcl_morse, injected.trajectory.positions)
    is_true = torch.isclose(injected.trajectory.kicks, true, rtol=1e-12, atol=1e-15).flatten(2).all(dim=2)
    assert is_true.sum() == 3 * 6
    after = is_true.roll(1, dims=1)
    after[:, 0] = False
    # The last kick was true, so there is no error to take over.
    torch.testing.assert_close(injected.target_kicks[after], true[after], rtol=1e-12, atol=1e-15)
