import dataclasses

import numpy as np
import pytest
import torch

from mlmd.errors import ConfigError, MismatchError
from mlmd.propagation import (
    Adaptive,
    Burst,
    Dynamics,
    EnergyAnchor,
    HamiltonianKick,
    Injection,
    Periodic,
    Propagator,
    reference_dynamics,
)
from mlmd.state import MDState
from mlmd.units import ACCELERATION

VARIANTS = {
    "3vR0": {"components": "cartesian", "target": "velocity"},
    "3uR0": {"components": "cartesian", "target": "update"},
    "3uR2-molecule": {"components": "cartesian", "frame": "molecule", "coordinate_frames": 2},
    "DuR0": {},
    "DuR0-window": {"memory_kind": "window", "memory_length": 4},
}


def numpy_verlet(system, positions, velocities, n_steps):
    """Textbook velocity Verlet in its on-step form, with the bond's force written out anew."""
    constants = system.hamiltonian.constants
    k, r_e, D_e = constants.k_eV_per_A2, constants.r_e_A, constants.D_e_eV
    masses = np.array(system.masses_u)[:, None]

    def acceleration(x):
        bond = x[:, 1] - x[:, 0]
        length = np.linalg.norm(bond, axis=-1, keepdims=True)
        if type(system.hamiltonian).__name__ == "HarmonicBond":
            slope = k * (length - r_e)
        else:
            a = np.sqrt(k / (2 * D_e))
            decay = np.exp(-a * (length - r_e))
            slope = 2 * a * D_e * decay * (1 - decay)
        force = -slope * bond / length
        return 9.648533212e-3 * np.stack((-force, force), axis=1) / masses

    x, v, dt = positions.numpy(), velocities.numpy(), system.dt_fs
    a = acceleration(x)
    frames = []
    for _ in range(n_steps):
        frames.append((x, v))
        v_half = v + 0.5 * dt * a
        x = x + dt * v_half
        a = acceleration(x)
        v = v_half + 0.5 * dt * a
    return tuple(torch.from_numpy(np.stack(parts, axis=1)) for parts in zip(*frames, strict=True))


@pytest.fixture(params=["hcl_harmonic", "hcl_morse"])
def hcl(request):
    return request.getfixturevalue(request.param)


def same(ours, theirs, atol=0.0):
    assert torch.equal(ours.steps, theirs.steps)
    for name in ("positions", "velocities", "kicks"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), rtol=0, atol=atol)


def test_reference_is_velocity_verlet(hcl, rotating_states):
    positions, velocities = rotating_states(hcl)
    propagator = Propagator.begin(reference_dynamics(hcl), positions, velocities)
    trajectory = propagator.advance(300)
    expected_positions, expected_velocities = numpy_verlet(hcl, positions, velocities, 300)
    torch.testing.assert_close(trajectory.positions, expected_positions, rtol=0, atol=1e-11)
    torch.testing.assert_close(trajectory.velocities, expected_velocities, rtol=0, atol=1e-11)
    assert propagator.n_force_calls == 300


@pytest.mark.parametrize("variant", VARIANTS)
def test_injection_at_every_step_is_the_reference(hcl, variant, mimic, reference, propagate):
    expected = reference(hcl, 100)
    predictor = mimic(hcl, **VARIANTS[variant])
    for schedule in (Periodic(1.0), Burst(1.0, length=3), Adaptive(tolerance=1e9, shortest=1, longest=1)):
        propagator, trajectory = propagate(hcl, predictor, 100, schedule=schedule)
        same(trajectory, expected, atol=1e-14)
        assert propagator.n_force_calls == 80


@pytest.mark.parametrize("variant", VARIANTS)
def test_before_its_start_ml_changes_nothing_and_after_it_something(hcl_morse, variant, mimic, reference, propagate):
    expected = reference(hcl_morse, 100)
    predictor = mimic(hcl_morse, **VARIANTS[variant])
    for start_step in (12, 55):
        _, trajectory = propagate(hcl_morse, predictor, 100, start_step=start_step)
        same(trajectory.frames(0, start_step), expected.frames(0, start_step), atol=1e-14)
        assert not torch.equal(trajectory.kicks[:, start_step], expected.kicks[:, start_step])
        assert bool(trajectory.positions.isfinite().all())


@pytest.mark.parametrize("variant", ["3uR0", "DuR0", "DuR0-window", "3uR2-molecule"])
def test_an_oracle_propagates_the_reference(hcl, variant, make_oracle, reference, propagate):
    propagator, trajectory = propagate(hcl, make_oracle(hcl, **VARIANTS[variant]), 400)
    same(trajectory, reference(hcl, 400), atol=1e-9)
    assert propagator.n_force_calls == 0


def test_a_wrong_oracle_does_not(hcl, make_oracle, reference, propagate):
    _, trajectory = propagate(hcl, make_oracle(hcl, wrong=1.01), 400)
    assert float((trajectory.positions - reference(hcl, 400).positions).abs().max()) > 1e-3


@pytest.mark.parametrize("target", ["velocity", "update"])
def test_the_linear_shortcut_alone_propagates_a_harmonic_bond(
    hcl_harmonic, target, make_predictor, reference, propagate, rotating_states
):
    predictor = make_predictor(reference(hcl_harmonic, 100), target=target, says=0.0)
    states = rotating_states(hcl_harmonic, 5, seed=9)
    _, trajectory = propagate(hcl_harmonic, predictor, 400, states=states)
    expected = Propagator.begin(reference_dynamics(hcl_harmonic), *states)
    same(trajectory, expected.advance(400), atol=1e-9)


@pytest.mark.parametrize("target", ["velocity", "update"])
def test_the_linear_shortcut_alone_does_not_blow_up_an_anharmonic_bond(
    hcl_morse, target, make_predictor, reference, propagate
):
    predictor = make_predictor(reference(hcl_morse, 100), target=target, says=0.0)
    _, run = propagate(hcl_morse, predictor, 220, schedule=Periodic(0.01))
    lengths = (run.positions[:, :, 1] - run.positions[:, :, 0]).norm(dim=-1)
    assert bool((lengths < 2.0).all())  # the reference stays below 1.4


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("cuts", [(1,) * 90, (45, 45), (19, 2, 69)])
def test_how_a_run_is_cut_into_calls_does_not_matter(hcl_morse, mimic, propagate, variant, cuts):
    predictor = mimic(hcl_morse, **VARIANTS[variant])
    _, whole = propagate(hcl_morse, predictor, 90, schedule=Periodic(0.1))
    propagator, _ = propagate(hcl_morse, predictor, 0, schedule=Periodic(0.1))
    parts = [propagator.advance(n_steps) for n_steps in cuts]
    for name in ("positions", "velocities", "kicks"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts], dim=1), getattr(whole, name))


@pytest.mark.parametrize("every", [1, 7, 100, 1000])
def test_frames_are_those_of_the_steps_divisible_by_every(hcl_morse, mimic, propagate, every):
    predictor = mimic(hcl_morse)
    _, whole = propagate(hcl_morse, predictor, 95, schedule=Periodic(0.1))
    propagator, _ = propagate(hcl_morse, predictor, 0, schedule=Periodic(0.1))
    first, second = propagator.advance(30, every=every), propagator.advance(65, every=every)
    steps = first.steps.tolist() + second.steps.tolist()
    assert steps == [step for step in range(95) if step % every == 0]
    for part in (first, second):
        assert torch.equal(part.positions, whole.positions[:, part.steps])
        assert torch.equal(part.velocities, whole.velocities[:, part.steps])
        assert torch.equal(part.kicks, whole.kicks[:, part.steps])


def test_frames_obey_kick_and_drift(hcl_morse, mimic, propagate):
    predictor = mimic(hcl_morse, components="cartesian")
    _, run = propagate(hcl_morse, predictor, 95, schedule=Periodic(0.1))
    torch.testing.assert_close(run.velocities_before[:, 1:], run.velocities_after[:, :-1], rtol=0, atol=1e-15)
    drifted = run.positions[:, :-1] + hcl_morse.dt_fs * run.velocities_after[:, :-1]
    torch.testing.assert_close(run.positions[:, 1:], drifted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("anchored", [False, True])
def test_a_predictor_reads_the_force_like_kick_that_was_taken(
    hcl_morse, variant, anchored, mimic, propagate, monkeypatch
):
    predictor = mimic(hcl_morse, **VARIANTS[variant])
    predict, read = predictor.predict, []

    def spy(frame, positions, velocities, state):
        read.append(state.last_update)
        return predict(frame, positions, velocities, state)

    monkeypatch.setattr(predictor, "predict", spy)
    anchor = EnergyAnchor() if anchored else None
    _, run = propagate(hcl_morse, predictor, 60, schedule=Periodic(0.2), anchor=anchor)
    _, forces = hcl_morse.hamiltonian.energy_and_forces(run.positions)
    true = forces * hcl_morse.dt_fs * ACCELERATION / hcl_morse.masses()[:, None]
    decomposition = predictor.decomposition
    # v_{n-1/2}, the velocities that went into the step, is what the frame was made of.
    frame = decomposition.frame(run.positions, run.velocities_before)
    injected = [step for step in range(60) if step < 20 or (step - 20) % 5 == 4]
    for step in range(59):
        taken = true if step in injected else run.kicks
        expected = decomposition.project(frame, taken)[:, step]
        torch.testing.assert_close(read[step + 1], expected, rtol=0, atol=1e-12)
    correction = (run.kicks - true)[:, injected].abs().max()
    assert correction > 1e-6 if anchored else correction < 1e-14


def test_momenta_are_kept_by_molecular_components_whatever_the_network_predicts(
    hcl_morse, mimic, reference, propagate, rotating_states
):
    predictor = mimic(hcl_morse)
    positions, velocities = rotating_states(hcl_morse)
    boost = torch.tensor([0.003, 0.001, -0.002], dtype=torch.float64)
    _, run = propagate(hcl_morse, predictor, 600, schedule=Periodic(0.02), states=(positions, velocities + boost))
    masses = hcl_morse.masses()[:, None]
    lengths = (run.positions[:, :, 1] - run.positions[:, :, 0]).norm(dim=-1)
    exact = reference(hcl_morse, 600).positions
    assert float((lengths - (exact[:, :, 1] - exact[:, :, 0]).norm(dim=-1)).abs().max()) > 1e-2
    linear = (masses * run.velocities).sum(dim=-2)
    angular = (masses * torch.linalg.cross(run.positions, run.velocities)).sum(dim=-2)
    for momentum in (linear, angular):
        assert float((momentum - momentum[:, :1]).norm(dim=-1).max()) < 1e-8 * float(momentum.norm(dim=-1).min())


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({"memory_warmup": 8}, 9),
        ({"memory_kind": "window", "memory_length": 12}, 12),
        ({"memory_kind": "window", "memory_length": 1}, 4),
        ({"memory_kind": "window", "memory_length": 12, "coordinate_frames": 4}, 14),
    ],
)
def test_ml_before_its_history_is_refused(hcl_harmonic, mimic, propagate, changes, least):
    predictor = mimic(hcl_harmonic, **changes)
    with pytest.raises(
        ConfigError, match=rf"start_step = {least - 1} is too early: .* needs {least} Hamiltonian steps"
    ):
        propagate(hcl_harmonic, predictor, 1, start_step=least - 1)
    _, trajectory = propagate(hcl_harmonic, predictor, 40, start_step=least)
    assert bool(trajectory.positions.isfinite().all())


def test_another_system_is_refused(hcl_harmonic, mimic):
    predictor = mimic(hcl_harmonic)
    coarse = dataclasses.replace(hcl_harmonic, dt_fs=0.6)
    with pytest.raises(MismatchError, match=r"has learned dt_fs = 0\.5, the system asks for 0\.6"):
        Dynamics(system=coarse, injection=Injection(Periodic(0.1)), predictor=predictor, start_step=20)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x[:, :1], "positions of HCl have the shape (3, 1, 3); expected [replica, 2, 3]"),
        (lambda x: x[0], "positions of HCl have the shape (2, 3); expected [replica, 2, 3]"),
        (lambda x: x.float(), "positions of HCl are torch.float32; expected torch.float64"),
    ],
)
def test_a_state_that_is_not_one_of_the_system_is_refused(hcl_harmonic, rotating_states, change, words):
    positions, velocities = rotating_states(hcl_harmonic, 3)
    with pytest.raises(MismatchError) as error:
        Propagator.begin(reference_dynamics(hcl_harmonic), change(positions), velocities)
    assert str(error.value) == words
    with pytest.raises(MismatchError, match="velocities of HCl have the shape"):
        Propagator.begin(reference_dynamics(hcl_harmonic), positions, velocities[:2])


def test_hamiltonian_kick_is_dt_f_over_m(hcl, rotating_states):
    positions, velocities = rotating_states(hcl)
    source = HamiltonianKick(hcl)
    kick = source.kick(MDState(0, positions, velocities))
    energy, forces = hcl.hamiltonian.energy_and_forces(positions)
    masses = torch.tensor([1.00782503, 34.96885269], dtype=torch.float64)[:, None]
    torch.testing.assert_close(kick, 0.5 * forces * 9.648533212e-3 / masses, rtol=1e-7, atol=0)
    assert torch.equal(source.energy, energy)
    assert source.hamiltonian.n_calls == 1
