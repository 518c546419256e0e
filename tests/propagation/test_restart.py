import copy
from dataclasses import replace

import pytest
import torch

from mlmd.propagation import (
    Adaptive,
    Burst,
    DivergenceGuard,
    Dynamics,
    EnergyAnchor,
    Injection,
    Periodic,
    Propagator,
    reference_dynamics,
)

N_STEPS, START_STEP = 130, 20
WINDOW = {"memory_kind": "window", "memory_length": 6}


def adaptive():
    return Adaptive(tolerance=0.3, shortest=3, longest=24)


SCENARIOS = {
    "reference": (None, lambda: Periodic(1.0), None),
    "never": ({}, lambda: Periodic(0.0), None),
    "carried": ({}, lambda: Periodic(0.1), None),
    "window": (WINDOW, lambda: Periodic(0.1), None),
    "3vR0": ({"components": "cartesian", "target": "velocity"}, lambda: Periodic(0.1), None),
    "coordinates": (
        {"components": "cartesian", "frame": "molecule", "coordinate_frames": 3},
        lambda: Periodic(0.1),
        None,
    ),
    "history": ({"history": 3, "coordinate_frames": 2}, lambda: Periodic(0.1), None),
    "linear": ({"history": 3, "network": False}, lambda: Periodic(0.1), None),
    "burst": (WINDOW, lambda: Burst(0.2, length=4), None),
    "anchored": ({}, lambda: Periodic(0.1), EnergyAnchor),
    "adaptive": ({"coordinate_frames": 2}, adaptive, None),
    "adaptive-anchored-window": (WINDOW | {"coordinate_frames": 1}, adaptive, EnergyAnchor),
}


@pytest.fixture
def states(hcl_morse, rotating_states):
    """Three sound replicas and one that dissociates on the way."""
    positions, velocities = rotating_states(hcl_morse, 4)
    positions[3] *= 2.0
    velocities[3] = 0.6 * torch.nn.functional.normalize(positions[3], dim=-1)
    velocities[3, 1] *= hcl_morse.masses_u[0] / hcl_morse.masses_u[1]
    return positions, velocities


@pytest.fixture
def build(hcl_morse, mimic, states):
    def make(scenario):
        variant, schedule, anchor = SCENARIOS[scenario]
        guard = DivergenceGuard(check_every=15)
        if variant is None:
            return replace(reference_dynamics(hcl_morse), guard=guard)
        return Dynamics(
            system=hcl_morse,
            injection=Injection(schedule(), None if anchor is None else anchor()),
            predictor=mimic(hcl_morse, **variant),
            start_step=START_STEP,
            guard=guard,
        )

    return make


def assert_same(ours, theirs):
    """Equal values of any nesting, tensors bit for bit."""
    if isinstance(ours, torch.Tensor):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    else:
        assert type(ours) is type(theirs)
        assert ours == theirs


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_that_was_stopped_is_the_run_that_was_not(build, states, scenario, tmp_path):
    whole = Propagator.begin(build(scenario), *states)
    expected = whole.advance(N_STEPS)
    assert whole.diverged_at  # a restart keeps what it knows of lost replicas
    # At the start, inside the warm-up, at and beside its end, in a learned stretch, after the divergence.
    for stop in (0, 2, 13, 19, 20, 21, 47, 61, 118):
        first = Propagator.begin(build(scenario), *states)
        first.advance(stop)
        torch.save(first.state_dict(), tmp_path / "restart")
        first.advance(7)  # what the first run does after writing must not reach into what it has written
        second = Propagator.restore(build(scenario), torch.load(tmp_path / "restart", weights_only=True))
        rest = second.advance(N_STEPS - stop)
        for name in ("steps", "positions", "velocities", "kicks"):
            whole_values = getattr(expected, name)
            assert_same(getattr(rest, name), whole_values[stop:] if name == "steps" else whole_values[:, stop:])
        assert_same(second.state_dict(), whole.state_dict())
        assert second.n_force_calls == whole.n_force_calls
        assert second.diverged_at == whole.diverged_at


@pytest.mark.parametrize("scenario", ["carried", "adaptive-anchored-window"])
def test_a_state_dict_in_memory_does_not_change_while_the_run_goes_on(build, states, scenario):
    propagator = Propagator.begin(build(scenario), *states)
    propagator.advance(40)
    kept = propagator.state_dict()
    rest = propagator.advance(50)
    again = Propagator.restore(build(scenario), kept)
    assert_same(again.advance(50).positions, rest.positions)


def test_scenarios_inject(build, states):
    """What is restarted above has something to restart: injections, and intervals that change."""
    for scenario in ("burst", "adaptive", "adaptive-anchored-window"):
        propagator = Propagator.begin(build(scenario), *states)
        propagator.advance(N_STEPS)
        assert propagator.n_force_calls > 3
        if scenario != "burst":
            assert propagator.injected.schedule.interval != 3 or propagator.n_force_calls < 30


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_restoring_makes_no_force_call(build, states, scenario):
    dynamics = build(scenario)
    run = Propagator.begin(dynamics, *states)
    run.advance(33)
    saved = copy.deepcopy(run.state_dict())
    calls = []
    system = replace(hamiltonian_that_tells(dynamics.system, calls))
    restored = Propagator.restore(replace(dynamics, system=system), saved)
    assert calls == []
    assert_same(restored.state_dict(), saved)


def hamiltonian_that_tells(system, calls):
    """The system with a Hamiltonian that notes every call."""

    class Telling:
        def energy_and_forces(self, positions):
            calls.append(positions)
            return system.hamiltonian.energy_and_forces(positions)

    return replace(system, hamiltonian=Telling())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_run_leaves_its_dynamics_as_they_were(build, states, scenario):
    """Two runs that begin with the same dynamics are the same, also when one has gone far before the other begins."""
    dynamics = build(scenario)
    schedule = dict(vars(dynamics.injection.schedule))
    first = Propagator.begin(dynamics, *states).advance(N_STEPS)
    second = Propagator.begin(dynamics, *states)
    assert second.diverged_at == {}
    assert_same(second.advance(N_STEPS).positions, first.positions)
    assert vars(dynamics.injection.schedule) == schedule
    with pytest.raises(AttributeError):
        dynamics.injection.anchor = None
