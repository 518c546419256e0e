import gc
import weakref

import pytest
import torch

import mlmd.evaluation.rollouts as rollouts_module
from mlmd.errors import ConfigError
from mlmd.evaluation.rollouts import RolloutPlan, reference_rollout, run_rollouts
from mlmd.propagation import Burst, Dynamics, EnergyAnchor, Injection, Periodic, Propagator

N_STEPS, START = 240, 20
INJECTIONS = {
    "never": Injection(Periodic(0.0)),
    "always": Injection(Periodic(1.0)),
    "every_20": Injection(Periodic(0.05)),
    "anchored": Injection(Periodic(0.05), EnergyAnchor()),
    "burst": Injection(Burst(0.05, length=3)),
}


def quiet(name, done, total):
    pass


def rollouts(predictor, system, initial, *, injections=INJECTIONS, n_steps=N_STEPS, progress=quiet):
    plan = RolloutPlan(injections, n_steps, len(initial[0]), START)
    reference = reference_rollout(system, initial, plan, device="cpu", progress=progress)
    return reference, run_rollouts(predictor, system, initial, reference, plan, device="cpu", progress=progress)


@pytest.fixture
def frames(monkeypatch):
    """Frames of each rollout as they are judged, by schedule, of the last call."""
    seen, evaluate = {}, rollouts_module.evaluate_system

    def look(runs, reference, system, **options):
        seen.update(runs)
        return evaluate(runs, reference, system, **options)

    monkeypatch.setattr(rollouts_module, "evaluate_system", look)
    return seen


@pytest.fixture
def exact(make_predictor, reference, hcl_harmonic):
    """The linear shortcut alone, which is exact for a harmonic bond without rotation, and nearly so with little."""
    return make_predictor(reference(hcl_harmonic), says=0.0)


def test_reference_frames_start_where_ml_takes_over(hcl_harmonic, rotating_states, reference):
    plan = RolloutPlan({}, 50, 3, START)
    run = reference_rollout(hcl_harmonic, rotating_states(hcl_harmonic), plan, device="cpu", progress=quiet)
    assert run.steps.tolist() == list(range(START, START + 50))
    whole = reference(hcl_harmonic, START + 50)
    assert torch.equal(run.positions, whole.positions[:, START:])
    assert torch.equal(run.velocities, whole.velocities[:, START:])


def test_counts_are_those_of_the_schedules(exact, hcl_harmonic, rotating_states, frames):
    _, results = rollouts(exact, hcl_harmonic, rotating_states(hcl_harmonic))
    calls = {name: result.metrics["force_calls"] for name, result in results.items()}
    assert calls == {"never": 0, "always": N_STEPS, "every_20": 12, "anchored": 12, "burst": 12}
    for name, result in results.items():
        assert result.metrics["frequency"] == calls[name] / N_STEPS
        assert result.metrics["warmup_force_calls"] == START
        assert (result.metrics["n_steps"], result.metrics["n_replicas"]) == (N_STEPS, 3)
        assert (result.metrics["diverged_replicas"], result.diverged_at) == (0, {})
        assert result.n_replicas == 3
        assert frames[name].steps.tolist() == list(range(START, START + N_STEPS))


def test_a_true_kick_at_every_step_scores_no_error(make_predictor, reference, hcl_harmonic, rotating_states, frames):
    wrong = make_predictor(reference(hcl_harmonic), says=0.3, noise=0.02)
    true, results = rollouts(wrong, hcl_harmonic, rotating_states(hcl_harmonic))
    torch.testing.assert_close(frames["always"].positions, true.positions, rtol=0, atol=1e-12)
    scores = results["always"].metrics
    for quantity in ("bond_mean_error_A", "vacf_error", "line_shift_cm1", "bond_wasserstein_A"):
        assert abs(scores[quantity]) < 1e-9
    # The mean over the last ten periods against that of the whole reference: not nil, as steps do not divide a period.
    assert scores["energy_error_worst"] < 1e-3
    assert results["never"].metrics["vacf_error"] > 1e-6


def test_one_schedule_leaves_no_trace_in_the_next(exact, hcl_harmonic, rotating_states, frames):
    initial = rotating_states(hcl_harmonic)
    rollouts(exact, hcl_harmonic, initial)
    together = dict(frames)
    for name in ("anchored", "never"):
        rollouts(exact, hcl_harmonic, initial, injections={name: INJECTIONS[name]})
        assert frames[name] is not together[name]
        assert torch.equal(frames[name].positions, together[name].positions)
    assert INJECTIONS["anchored"].init().reference.n_samples == 0, "the plan's own injection is not used up"


def test_a_rollout_is_what_the_propagator_does(exact, hcl_harmonic, rotating_states, frames):
    initial = rotating_states(hcl_harmonic)
    rollouts(exact, hcl_harmonic, initial)
    propagator = Propagator.begin(
        Dynamics(system=hcl_harmonic, injection=Injection(Periodic(0.05)), predictor=exact, start_step=START), *initial
    )
    whole = propagator.advance(START + N_STEPS)
    assert torch.equal(whole.positions[:, START:], frames["every_20"].positions)


def test_a_replica_that_diverges_is_reported_and_the_rest_goes_on(
    make_predictor, reference, hcl_morse, rotating_states, frames
):
    wild = make_predictor(reference(hcl_morse, 60), says=1e4)
    initial = rotating_states(hcl_morse, 8)
    _, results = rollouts(wild, hcl_morse, initial, injections={"never": INJECTIONS["never"]}, n_steps=200)
    result = results["never"]
    lost = sorted(result.diverged_at)
    assert 0 < len(lost) <= result.metrics["diverged_replicas"], "a doubled energy counts as well"
    for replica, step in result.diverged_at.items():
        assert step % 100 == 0
        positions = frames["never"].positions[replica]
        after = frames["never"].steps >= step
        assert bool(positions[after].isnan().all())
        assert bool(positions[~after].isfinite().all()) or not bool(positions[~after][:1].isnan().any())
    assert result.metrics["energy_error_worst"] == float("inf")


def test_no_rollout_is_in_memory_when_the_next_begins(exact, hcl_harmonic, rotating_states, monkeypatch):
    alive, most, evaluate = weakref.WeakSet(), [0], rollouts_module.evaluate_system

    def count(runs, reference, system, **options):
        gc.collect()
        alive.update(run.positions for run in runs.values())
        most[0] = max(most[0], len(alive))
        return evaluate(runs, reference, system, **options)

    monkeypatch.setattr(rollouts_module, "evaluate_system", count)
    _, results = rollouts(exact, hcl_harmonic, rotating_states(hcl_harmonic))
    gc.collect()
    assert (len(results), most[0], len(alive)) == (5, 1, 0)


def test_frames_of_several_pieces_are_those_of_one(exact, hcl_harmonic, rotating_states, frames, monkeypatch):
    initial = rotating_states(hcl_harmonic)
    rollouts(exact, hcl_harmonic, initial)
    whole = dict(frames)
    monkeypatch.setattr(rollouts_module, "CHUNK_STEPS", 70)
    rollouts(exact, hcl_harmonic, initial)
    for name, run in whole.items():
        for field in ("steps", "positions", "velocities", "kicks"):
            assert torch.equal(getattr(run, field), getattr(frames[name], field)), (name, field)


def test_progress_is_reported_in_steps(exact, hcl_harmonic, rotating_states):
    told = []
    rollouts(
        exact,
        hcl_harmonic,
        rotating_states(hcl_harmonic),
        injections={"never": INJECTIONS["never"]},
        n_steps=1500,
        progress=lambda *news: told.append(news),
    )
    assert told == [(name, done, 1500) for name in ("reference", "never") for done in (1000, 1500)]


def test_energies_of_some_frames_judge_as_those_of_all(exact, hcl_harmonic, rotating_states):
    initial = rotating_states(hcl_harmonic)
    scores = {}
    for every in (1, 3):
        plan = RolloutPlan({"never": INJECTIONS["never"]}, N_STEPS, 3, START, energy_every=every)
        true = reference_rollout(hcl_harmonic, initial, plan, device="cpu", progress=quiet)
        results = run_rollouts(exact, hcl_harmonic, initial, true, plan, device="cpu", progress=quiet)
        scores[every] = results["never"].metrics
    energy = "energy_error_worst"
    assert scores[3][energy] != scores[1][energy]
    # Verlet's own oscillation, 1 % at 22 steps a period, is averaged over fewer values.
    assert scores[3][energy] == pytest.approx(scores[1][energy], abs=1e-3)
    assert scores[3]["bond_wasserstein_A"] == scores[1]["bond_wasserstein_A"]


def test_an_interval_that_leaves_one_energy_is_refused():
    with pytest.raises(ConfigError, match=r"rollout\.energy_every = 50 leaves one energy in 50 steps"):
        RolloutPlan({}, 50, 1, 1, energy_every=50)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_steps", 1), ("n_replicas", 0), ("start_step", 0), ("n_steps", None), ("energy_every", 0)],
)
def test_numbers_that_are_too_small_are_refused(name, value):
    numbers = {"n_steps": 2, "n_replicas": 1, "start_step": 1} | {name: value}
    with pytest.raises(ConfigError, match=rf"rollout\.{name} = {value} must be at least [12]"):
        RolloutPlan({}, **numbers)
