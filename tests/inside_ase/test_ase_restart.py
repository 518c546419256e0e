import numpy as np
import pytest
import torch

from mlmd.errors import MismatchError
from mlmd.propagation import Adaptive, EnergyAnchor, Injection, Periodic

N_STEPS = 130

SCENARIOS = {
    "verlet": None,
    "never": lambda: Injection(Periodic(0.0)),
    "periodic": lambda: Injection(Periodic(0.1)),
    "adaptive and anchored": lambda: Injection(Adaptive(tolerance=0.3, shortest=3, longest=24), EnergyAnchor()),
}


@pytest.fixture
def build(make_atoms, hcl_harmonic, wrong, make_dynamics):
    def make(scenario):
        predictor = None if SCENARIOS[scenario] is None else wrong
        injection = 1.0 if predictor is None else SCENARIOS[scenario]()
        return make_dynamics(predictor, make_atoms(hcl_harmonic), injection=injection, energy_zero_eV=0.0)

    return make


def followed(dynamics, n_steps):
    """Positions and momenta after each step."""
    seen = []
    for _ in range(n_steps):
        dynamics.run(1)
        seen.append((dynamics.atoms.get_positions(), dynamics.atoms.get_momenta()))
    return np.array(seen)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_that_was_stopped_is_the_run_that_was_not(build, scenario, tmp_path):
    whole = build(scenario)
    expected = followed(whole, N_STEPS)
    # Before the first step, in the warm-up, at and beside its end, between injections.
    for stop in (0, 7, 19, 20, 21, 47, 100):
        first = build(scenario)
        first.run(stop)
        torch.save(first.state_dict(), tmp_path / "restart")
        first.run(15)  # what the first run does after writing must not reach into what it has written
        second = build(scenario)
        second.atoms.positions += 1.0
        second.atoms.set_momenta(0.5 * second.atoms.get_momenta())
        second.load_state_dict(torch.load(tmp_path / "restart", weights_only=True))
        assert second.nsteps == stop
        assert np.array_equal(followed(second, N_STEPS - stop), expected[stop:])
        assert (second.n_warmup_calls, second.n_force_calls) == (whole.n_warmup_calls, whole.n_force_calls)
        assert second.has_forces == whole.has_forces


def test_a_state_in_memory_does_not_change_while_the_run_goes_on(build):
    dynamics = build("adaptive and anchored")
    dynamics.run(40)
    kept = dynamics.state_dict()
    rest = followed(dynamics, 50)
    dynamics.load_state_dict(kept)
    assert np.array_equal(followed(dynamics, 50), rest)


def test_a_change_before_the_state_is_kept_counts(build, wrong):
    """The velocities found are those of the restart, and the memory is refilled in it as it would have been."""
    dynamics = build("periodic")
    dynamics.run(40)
    dynamics.atoms.set_momenta(1.1 * dynamics.atoms.get_momenta())
    kept = dynamics.state_dict()
    expected = followed(dynamics, 50)
    other = build("periodic")
    other.load_state_dict(kept)
    assert np.array_equal(followed(other, 50), expected)
    assert other.n_warmup_calls == 40


def test_the_restart_of_another_predictor_is_refused(build, make_predictor, reference, hcl_harmonic, make_dynamics):
    kept = build("periodic").state_dict()
    with pytest.raises(MismatchError, match="the restart is that of another predictor"):
        build("verlet").load_state_dict(kept)
    other = make_predictor(reference(hcl_harmonic), history=2)
    with pytest.raises(MismatchError, match="the restart is that of another predictor"):
        make_dynamics(other).load_state_dict(kept)
