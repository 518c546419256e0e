import math

import pytest
import torch

from mlmd.errors import CalculatorError, ConfigError, PhysicsError
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.systems import RotatingRegime


def spoilt(*numbers):
    """Predictors of these trainings say kicks a fifth too large."""

    def spoil(number, predictor):
        if number in numbers:
            predictor.scaling.weights.mul_(1.2)

    return spoil


def initial(run, n_replicas=1):
    generator = torch.Generator().manual_seed(1)
    return RotatingRegime(4.0, 1.0).draw(run.propagator.system, n_replicas, generator=generator)


def test_it_takes_over_and_follows_the_reference(bench):
    run, around = bench(n_replicas=2)
    run.run(1000)
    assert run.standing.phase == "learned"
    assert run.standing.takeover_step == 120
    assert run.standing.n_fallbacks == 0
    reference = Propagator.begin(reference_dynamics(run.propagator.system), *initial(run, 2))
    expected, got = reference.advance(1000), around.trajectory()
    assert torch.equal(got.steps, expected.steps)
    torch.testing.assert_close(got.positions[:, :120], expected.positions[:, :120], rtol=0, atol=0)
    torch.testing.assert_close(got.positions, expected.positions, rtol=0, atol=2e-3)


def test_its_counts_add_up(bench):
    run, around = bench()
    run.run(920)
    n_injections = len(run.signals)
    assert n_injections == (920 - 120) * 0.05
    assert run.n_force_calls == 120 + n_injections == run.propagator.system.hamiltonian.n_calls
    assert run.frequency == pytest.approx(0.05)
    assert len(around.trajectory()) == 920


def test_no_predictor_is_trained_on_its_validation_frames(bench):
    run, around = bench()
    run.run(130)
    train, val = around.splits[1]["train"], around.splits[1]["val"]
    assert len(val) == 60
    assert torch.equal(val.steps, torch.arange(60, 120))
    assert not bool(torch.isin(train.positions, val.positions).any())


def test_a_predictor_that_does_not_pass_waits_for_more_steps(bench):
    run, around = bench(spoil=spoilt(1))
    run.run(400)
    assert [verdict.passes for verdict in run.verdicts.values()] == [False, True]
    assert run.standing.takeover_step == 180, "half as many steps more"
    assert around.news[0].endswith("5 % is allowed; the Hamiltonian goes on")


def test_after_the_last_training_the_hamiltonian_goes_on_to_the_end(bench):
    run, around = bench(spoil=spoilt(1, 2), max_rounds=2)
    run.run(400)
    assert run.standing.takeover_step is None
    assert run.n_force_calls == 400
    assert math.isnan(run.frequency)
    assert around.news[-1].endswith("the Hamiltonian goes on to the end")


def test_it_falls_back_when_the_hamiltonian_changes_and_recovers(bench):
    run, around = bench(at_call=140)
    run.run(1500)
    assert run.standing.n_fallbacks == 1
    assert run.standing.phase == "learned"
    assert run.standing.predictor == 2
    # The steps that were given up are gone.
    trajectory = around.trajectory()
    assert torch.equal(trajectory.steps, torch.arange(1500))
    assert "disagree by" in around.news[1]
    assert around.news[2] == "the energy of the true steps has a new mean: what is known from before is left out"
    later = [signal for signal in run.signals if signal.step > 1000]
    assert len(later) == 25
    assert max(signal.disagreement for signal in later) < 1e-3
    assert max(abs(signal.energy_excess) for signal in later) < 1e-3


def test_force_calls_of_steps_that_were_given_up_count(bench):
    run, _ = bench(at_call=140)
    run.run(1500)
    assert run.n_force_calls == run.propagator.system.hamiltonian.n_calls
    assert run.n_force_calls == 120 + 100 + len(run.signals) + run.standing.n_fallbacks


def test_forces_that_cannot_be_had_at_a_learned_state_are_a_reason_to_fall_back(bench, monkeypatch):
    run, around = bench()
    run.run(150)
    bond, call = run.propagator.system.hamiltonian, run.propagator.system.hamiltonian.energy_and_forces
    refused = []

    def refuse_once(positions):
        if not refused:
            refused.append(True)
            raise CalculatorError("no convergence")
        return call(positions)

    monkeypatch.setattr(bond, "energy_and_forces", refuse_once)
    run.run(600)
    assert run.standing.n_fallbacks == 1
    assert "no convergence" in around.news[1]
    assert torch.equal(around.trajectory().steps, torch.arange(600))


def test_a_bond_that_breaks_under_true_forces_ends_the_run(bench):
    run, _ = bench(at_call=30)
    run.propagator.system.hamiltonian.stiffer = -1.0
    with pytest.raises(PhysicsError, match="HCl: replica 0 left its equilibrium for good by step 100"):
        run.run(1000)


def test_a_run_that_never_injects_is_refused(bench):
    with pytest.raises(ConfigError, match="take one that injects"):
        bench(frequency=0.0)


@pytest.mark.parametrize("at_save", range(0, 9))
def test_resumed_it_is_the_uninterrupted_run(bench, at_save, monkeypatch):
    monkeypatch.setattr("mlmd.on_the_fly.loop.SAVE_EVERY_LEARNED", 150)
    whole, around = bench(at_call=140)
    whole.run(1500)
    assert len(around.saved) > 8
    n_kept, state = around.saved[at_save]
    resumed, other = bench()
    other.trained, other.frames = dict(around.trained), around.frames[:n_kept]
    bond = resumed.propagator.system.hamiltonian
    bond.at_call = 140
    resumed.restore(state)
    bond.n_calls = resumed.n_force_calls
    resumed.run(1500)
    ours, theirs = other.trajectory(), around.trajectory()
    for name in ("steps", "positions", "velocities", "kicks"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert resumed.signals == whole.signals
    assert resumed.n_force_calls == whole.n_force_calls
    assert resumed.standing == whole.standing


def test_frames_of_every_third_step(bench):
    whole, around = bench(at_call=140)
    whole.run(900)
    thinned, others = bench(at_call=140, every=3)
    thinned.run(900)
    expected, got = around.trajectory(), others.trajectory()
    assert torch.equal(got.steps, torch.arange(0, 900, 3))
    torch.testing.assert_close(got.positions, expected.positions[:, ::3], rtol=0, atol=0)
