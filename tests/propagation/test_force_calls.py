import dataclasses

import pytest
import torch

from mlmd.hamiltonians import CountedHamiltonian
from mlmd.propagation import Adaptive, Burst, Periodic, Propagator, reference_dynamics


def counted(system):
    """The system with a counting Hamiltonian of the test's own."""
    counter = CountedHamiltonian(system.hamiltonian)
    return dataclasses.replace(system, hamiltonian=counter), counter


@pytest.mark.parametrize("start_step", [9, 20, 37])
def test_never_makes_no_force_call_after_the_start(hcl_morse, mimic, propagate, rotating_states, start_step):
    system, counter = counted(hcl_morse)
    predictor = mimic(hcl_morse)
    states = rotating_states(hcl_morse)
    propagator, _ = propagate(system, predictor, 150, start_step=start_step, states=states)
    assert counter.n_calls == start_step
    assert propagator.n_warmup_calls == start_step
    assert propagator.n_force_calls == 0


@pytest.mark.parametrize(
    ("schedule", "n_calls"),
    [
        (lambda: Periodic(1 / 2), 100),
        (lambda: Periodic(1 / 7), 28),
        (lambda: Periodic(1 / 10), 20),
        (lambda: Periodic(1 / 100), 2),
        (lambda: Periodic(0.3), 60),
        (lambda: Burst(1 / 10, length=2), 20),
        (lambda: Burst(1 / 5, length=4), 40),
        (lambda: Burst(1 / 50, length=2), 4),
    ],
)
@pytest.mark.parametrize("cuts", [(220,), (13, 40, 1, 100, 66)])
def test_force_calls_are_those_of_the_schedule(hcl_morse, mimic, propagate, rotating_states, schedule, n_calls, cuts):
    system, counter = counted(hcl_morse)
    predictor = mimic(hcl_morse)
    propagator, _ = propagate(system, predictor, 0, schedule=schedule(), states=rotating_states(hcl_morse))
    for n_steps in cuts:
        propagator.advance(n_steps)
    assert propagator.state.step == 220
    assert propagator.n_force_calls == n_calls
    assert counter.n_calls == 20 + n_calls


@pytest.mark.parametrize("schedule", [lambda: Periodic(0.1), lambda: Adaptive(tolerance=1.0, shortest=2, longest=16)])
def test_dynamics_that_begin_again_do_not_depend_on_the_first_run(
    hcl_morse, mimic, propagate, rotating_states, schedule
):
    predictor = mimic(hcl_morse)
    propagator, first = propagate(hcl_morse, predictor, 80, schedule=schedule())
    n_calls = propagator.n_force_calls
    assert n_calls > 0
    propagator = Propagator.begin(propagator.dynamics, *rotating_states(hcl_morse))
    assert propagator.n_force_calls == 0
    again = propagator.advance(80)
    for name in ("steps", "positions", "velocities", "kicks"):
        assert torch.equal(getattr(again, name), getattr(first, name))
    assert propagator.n_force_calls == n_calls


def test_a_reference_that_starts_again_counts_anew(hcl_morse, rotating_states):
    dynamics = reference_dynamics(hcl_morse)
    for _ in range(2):
        propagator = Propagator.begin(dynamics, *rotating_states(hcl_morse))
        propagator.advance(10)
        assert propagator.n_force_calls == 10


def test_adaptive_injection_follows_the_quality_of_the_predictor(hcl_morse, make_oracle, propagate):
    def intervals(wrong):
        schedule = Adaptive(tolerance=0.02, shortest=4, longest=64)
        propagator, _ = propagate(hcl_morse, make_oracle(hcl_morse, wrong=wrong), 1020, schedule=schedule)
        return propagator.injected.schedule.interval, propagator.n_force_calls

    assert intervals(1.0) == (64, 18)  # at steps 3, 11, 27, 59 and every 64th from there: 4 + floor((999 - 59) / 64)
    interval, n_calls = intervals(3.0)
    assert interval < 64
    assert n_calls > 36


def test_disagreement_is_the_median_over_replicas(hcl_morse, make_oracle, propagate, rotating_states):
    heard = []

    class Listener(Periodic):
        adapts = True

        def adapted(self, step, disagreement):
            heard.append((step, disagreement))
            return self

    states = rotating_states(hcl_morse, 5)
    _, run = propagate(hcl_morse, make_oracle(hcl_morse, wrong=1.1), 81, schedule=Listener(0.05), states=states)
    assert [step for step, _ in heard] == [19, 39, 59]
    size = run.kicks.norm(dim=(-2, -1))
    rms = size[:, :20].square().nanmedian(dim=0).values.mean().sqrt()
    expected = [float(0.1 * size[:, step + 20].median() / rms) for step, _ in heard]
    assert [disagreement for _, disagreement in heard] == pytest.approx(expected, rel=1e-6)
