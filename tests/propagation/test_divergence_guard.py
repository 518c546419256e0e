import math
from types import SimpleNamespace

import pytest
import torch
from contracts.molecules import WATER

from mlmd.errors import CalculatorError, ConfigError
from mlmd.propagation import DivergenceCheck, DivergenceGuard, Periodic
from mlmd.propagation.divergence import kick_of_survivors
from mlmd.state import MDState

# A bond that leaves for ever: stretched, and fast enough to climb what is left of the well.
BAD, N_REPLICAS = 1, 3


@pytest.fixture
def states(hcl_morse, rotating_states):
    """Replicas of which one dissociates, and the same with a sound one in its place."""
    positions, velocities = rotating_states(hcl_morse, N_REPLICAS)
    axis = torch.nn.functional.normalize(positions[BAD, 1] - positions[BAD, 0], dim=-1)
    masses = hcl_morse.masses()
    shares = torch.stack((-masses[1], masses[0]))[:, None] / masses.sum()
    broken = positions.clone(), velocities.clone()
    broken[0][BAD] = 2.5 * shares * axis
    broken[1][BAD] = 0.25 * shares * axis
    return broken, (positions, velocities)


def test_a_diverged_replica_is_taken_out_and_the_others_go_on(hcl_morse, mimic, make_oracle, propagate, states):
    broken, sound = states
    for predictor in (None, make_oracle(hcl_morse), mimic(hcl_morse)):
        guard = DivergenceGuard(check_every=10)
        options = {"schedule": Periodic(0.1)}
        _, expected = propagate(hcl_morse, predictor, 80, states=sound, **options)
        propagator, run = propagate(hcl_morse, predictor, 80, states=broken, guard=guard, **options)
        assert set(propagator.diverged_at) == {BAD}
        step = propagator.diverged_at[BAD]
        assert step % 10 == 0
        lengths = (run.positions[BAD, :, 1] - run.positions[BAD, :, 0]).norm(dim=-1)
        # Beyond four bond lengths between the last check and the one that found it.
        r_e = hcl_morse.hamiltonian.constants.r_e_A
        assert lengths[step - 10] < 4 * r_e < lengths[step - 1] + 0.5 * 0.3
        for name in ("positions", "velocities", "kicks"):
            ours, theirs = getattr(run, name), getattr(expected, name)
            assert bool(ours[BAD, :step].isfinite().all())
            assert bool(ours[BAD, step:].isnan().all())
            for replica in (0, 2):
                assert torch.equal(ours[replica], theirs[replica])
        assert bool(propagator.state.positions[BAD].isnan().all())


def test_a_sound_run_is_never_touched(hcl_morse, mimic, propagate, states):
    _, sound = states
    guard = DivergenceGuard(check_every=7)
    propagator, run = propagate(hcl_morse, mimic(hcl_morse), 80, states=sound, schedule=Periodic(0.1), guard=guard)
    _, expected = propagate(hcl_morse, mimic(hcl_morse), 80, states=sound, schedule=Periodic(0.1))
    assert propagator.diverged_at == {}
    assert torch.equal(run.positions, expected.positions)


def bonds(hcl, ratios):
    positions = torch.tensor(hcl.equilibrium_A, dtype=torch.float64) * torch.tensor(ratios).double()[:, None, None]
    return positions, torch.ones_like(positions)


def test_the_band_is_in_units_of_the_equilibrium_distance(hcl_harmonic):
    check = DivergenceCheck(DivergenceGuard(shortest=0.5, longest=2.0), hcl_harmonic, device="cpu")
    positions, velocities = bonds(hcl_harmonic, [0.49, 0.51, 1.0, 1.99, 2.01, math.nan, math.inf])
    checked = check(MDState(300, positions, velocities))
    assert check.diverged_at == {0: 300, 4: 300, 5: 300, 6: 300}
    sound = [1, 2, 3]
    assert torch.equal(checked.positions[sound], positions[sound])
    assert torch.equal(checked.velocities[sound], velocities[sound])
    assert checked.step == 300
    for replica in check.diverged_at:
        assert bool(checked.positions[replica].isnan().all())
        assert bool(checked.velocities[replica].isnan().all())


def test_a_molecule_is_taken_out_for_any_of_its_distances():
    check = DivergenceCheck(DivergenceGuard(), WATER.system(), device="cpu")
    positions, velocities = WATER.states(3)
    broken = positions.clone()
    broken[0, 1] += 5.0 * (positions[0, 1] - positions[0, 0])
    broken[2, 2] = positions[2, 1] + 0.1
    checked = check(MDState(100, broken, velocities))
    assert check.diverged_at == {0: 100, 2: 100}
    assert torch.equal(checked.positions[1], positions[1])
    assert bool(checked.positions[[0, 2]].isnan().all())


def test_a_divergence_is_dated_once(hcl_harmonic):
    check = DivergenceCheck(DivergenceGuard(), hcl_harmonic, device="cpu")
    state = check(MDState(100, *bonds(hcl_harmonic, [1.0, 9.0])))
    broken = state.positions.clone()
    broken[0] *= 9.0
    check(MDState(200, broken, state.velocities))
    assert check.diverged_at == {1: 100, 0: 200}


def test_replicas_that_left_the_domain_are_taken_out_too(hcl_harmonic):
    check = DivergenceCheck(DivergenceGuard(), hcl_harmonic, device="cpu")
    checked = check(MDState(100, *bonds(hcl_harmonic, [1.0, 1.0, 1.0])), torch.tensor([False, True, False]))
    assert check.diverged_at == {1: 100}
    assert bool(checked.positions[1].isnan().all())
    assert bool(checked.positions[[0, 2]].isfinite().all())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shortest": 1.1}, "guard: needs 0 < shortest < 1 < longest, not 1.1 and 4.0"),
        ({"shortest": 0.0}, "guard: needs 0 < shortest < 1 < longest, not 0.0 and 4.0"),
        ({"longest": 0.9}, "guard: needs 0 < shortest < 1 < longest, not 0.25 and 0.9"),
        ({"longest": math.nan}, "guard: needs 0 < shortest < 1 < longest, not 0.25 and nan"),
        ({"check_every": 0}, "guard.check_every = 0 must be at least 1"),
    ],
)
def test_bad_bands_are_refused(options, words):
    with pytest.raises(ConfigError) as caught:
        DivergenceGuard(**options)
    assert str(caught.value) == words


class PickyKick:
    """A Hamiltonian kick that cannot be calculated where two atoms are further apart than 7 A."""

    def __init__(self):
        self.hamiltonian = SimpleNamespace(n_calls=0)

    def kick(self, state):
        self.hamiltonian.n_calls += 1
        if bool(((state.positions[:, 1] - state.positions[:, 0]).norm(dim=-1) > 7.0).any()):
            raise CalculatorError("no convergence")
        return torch.zeros_like(state.positions)


def state_of(*lengths):
    positions = torch.zeros(len(lengths), 2, 3, dtype=torch.float64)
    positions[:, 1, 2] = torch.tensor(lengths)
    return MDState(30, positions, torch.zeros_like(positions))


def test_a_kick_that_fails_for_a_diverged_replica_is_calculated_for_the_others(hcl_morse):
    true, check = PickyKick(), DivergenceCheck(DivergenceGuard(), hcl_morse, device="cpu")
    state, kick = kick_of_survivors(true, state_of(1.3, 7.5), check, lambda: None)
    assert check.diverged_at == {1: 30}
    assert state.positions[1].isnan().all()
    assert torch.equal(kick[0], torch.zeros(2, 3, dtype=torch.float64))
    assert true.hamiltonian.n_calls == 1


def test_a_kick_that_fails_for_a_sound_replica_is_an_error(hcl_morse):
    check = DivergenceCheck(DivergenceGuard(longest=10.0), hcl_morse, device="cpu")
    with pytest.raises(CalculatorError, match="no convergence"):
        kick_of_survivors(PickyKick(), state_of(1.3, 7.5), check, lambda: None)
