"""ML takes over within a run and is taken back; whoever listens hears of every Hamiltonian step."""

import copy

import pytest
import torch

from mlmd.errors import ConfigError, MismatchError
from mlmd.propagation import Dynamics, EnergyAnchor, Injection, Periodic, Propagator, follow_known
from mlmd.propagation.engines import EagerEngine
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState


@pytest.fixture
def started(hcl_morse, rotating_states):
    """A run without a predictor, to be handed over at f = 0.1."""

    def start(*, anchor=None, listener=None):
        injection = Injection(Periodic(0.1), anchor)
        return Propagator.begin(
            Dynamics(system=hcl_morse, injection=injection, predictor=None),
            *rotating_states(hcl_morse),
            listener=listener,
        )

    return start


def test_handed_over_it_is_the_run_with_a_start_step(hcl_morse, started, mimic, propagate):
    predictor = mimic(hcl_morse)
    _, expected = propagate(hcl_morse, predictor, 200, schedule=Periodic(0.1), start_step=40)
    propagator = started()
    known = propagator.advance(40)
    propagator.hand_over(predictor, known)
    later = propagator.advance(160)
    for name in ("positions", "velocities", "kicks"):
        torch.testing.assert_close(getattr(later, name), getattr(expected, name)[:, 40:], rtol=0, atol=0)
    assert propagator.n_warmup_calls == 40
    assert propagator.n_force_calls == 16


def test_an_anchor_works_with_the_reference_that_it_is_given(hcl_morse, started, mimic, propagate):
    predictor, anchor = mimic(hcl_morse), EnergyAnchor()
    own, expected = propagate(hcl_morse, predictor, 200, schedule=Periodic(0.1), anchor=anchor, start_step=40)
    propagator = started(anchor=EnergyAnchor())
    known = propagator.advance(40)
    propagator.hand_over(predictor, known, reference=own.injected.reference)
    torch.testing.assert_close(propagator.advance(160).positions, expected.positions[:, 40:], rtol=0, atol=0)


def test_memory_from_known_steps_is_that_of_the_steps_themselves(hcl_morse, mimic, reference):
    predictor, known = mimic(hcl_morse), reference(hcl_morse, 30)
    filled = follow_known(predictor, known, EagerEngine())
    by_hand = LearnedKick(predictor, known.n_replicas)
    for time in range(30):
        by_hand.kick(MDState(time, known.positions[:, time], known.velocities_before[:, time]))
        by_hand.accept(known.kicks[:, time])
    for ours, theirs in zip(filled.memory.network, by_hand.memory.network, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert filled.memory.n_seen == by_hand.memory.n_seen


def test_taken_back_the_hamiltonian_goes_on_from_there(hcl_morse, started, mimic):
    propagator = started()
    propagator.hand_over(mimic(hcl_morse), propagator.advance(40))
    propagator.advance(35)
    propagator.end_ml()
    state, calls = propagator.state, propagator.true.hamiltonian.n_calls
    later = propagator.advance(20)
    assert propagator.true.hamiltonian.n_calls == calls + 20
    true = propagator.true.kick(MDState(75, later.positions[:, 0], later.velocities_before[:, 0]))
    torch.testing.assert_close(later.kicks[:, 0], true, rtol=0, atol=0)
    torch.testing.assert_close(later.positions[:, 0], state.positions, rtol=0, atol=0)


def test_rewound_it_goes_the_same_way_again_and_its_calls_stay_counted(hcl_morse, started, mimic):
    propagator = started()
    propagator.hand_over(mimic(hcl_morse), propagator.advance(40))
    propagator.advance(15)
    before = propagator.state_dict()
    once = propagator.advance(50)
    propagator.rewind(before)
    again = propagator.advance(50)
    torch.testing.assert_close(again.positions, once.positions, rtol=0, atol=0)
    assert propagator.true.hamiltonian.n_calls == 40 + 1 + 5 + 5


def test_a_restart_of_a_run_that_was_handed_over(hcl_morse, started, mimic):
    predictor, first = mimic(hcl_morse), started()
    known = first.advance(40)
    first.hand_over(predictor, known)
    first.advance(25)
    saved = copy.deepcopy(first.state_dict())
    second = Propagator.restore(first.dynamics, saved, predictor=predictor)
    torch.testing.assert_close(second.advance(60).positions, first.advance(60).positions, rtol=0, atol=0)
    assert second.n_force_calls == first.n_force_calls
    assert second.start_step == 40


def test_a_callback_is_called_after_every_hamiltonian_step_and_may_end_the_advance(hcl_morse, started, mimic):
    heard = []

    def listen(step):
        heard.append(step)
        return step.predicted is not None

    propagator = started(listener=listen)
    known = propagator.advance(40)
    assert [step.state.step for step in heard] == list(range(40))
    assert [len(step.kicks) for step in heard[:6]] == [1, 2, 3, 4, 4, 4]
    torch.testing.assert_close(torch.stack([step.kicks[0] for step in heard], dim=1), known.kicks, rtol=0, atol=0)
    energy, _ = hcl_morse.hamiltonian.energy_and_forces(known.positions)
    torch.testing.assert_close(torch.stack([step.energy for step in heard], dim=1), energy, rtol=0, atol=0)
    propagator.hand_over(mimic(hcl_morse), known)
    frames = propagator.advance(100)
    assert len(frames) == 10, "the first injection ends it"
    assert propagator.state.step == 50
    assert len(propagator.advance(100, every=4)) == 2, "steps 52 and 56"


def test_what_does_not_fit_is_refused(hcl_morse, hcl_harmonic, started, mimic, make_predictor, reference):
    propagator = started()
    known = propagator.advance(40)
    with pytest.raises(ConfigError, match="start_step = 5 is too early"):
        propagator.hand_over(mimic(hcl_morse), known.frames(35, 40))
    other = make_predictor(reference(hcl_harmonic, 60), dt_fs=0.25)
    with pytest.raises(MismatchError, match=r"has learned dt_fs = 0.25"):
        propagator.hand_over(other, known)
