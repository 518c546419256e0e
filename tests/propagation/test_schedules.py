import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.errors import ConfigError
from mlmd.propagation import Adaptive, Burst, Periodic


def hits(schedule, n_steps):
    return [step for step in range(n_steps) if schedule.is_hamiltonian(step)]


@pytest.mark.parametrize("k", [1, 2, 3, 7, 10, 49, 100, 1000])
def test_periodic_takes_the_last_step_of_every_interval(k):
    assert hits(Periodic(1 / k), 5 * k + k - 1) == [k - 1 + i * k for i in range(5)]


@settings(max_examples=50, deadline=None)
@given(numerator=st.integers(0, 50), denominator=st.integers(1, 500), n_steps=st.integers(0, 700))
def test_periodic_takes_exactly_the_floor_of_n_f(numerator, denominator, n_steps):
    numerator = min(numerator, denominator)
    schedule = Periodic(numerator / denominator)
    assert len(hits(schedule, n_steps)) == n_steps * numerator // denominator


def gaps(taken):
    return [later - earlier for earlier, later in itertools.pairwise(taken)]


def test_periodic_spreads_its_hits_evenly():
    assert set(gaps(hits(Periodic(0.3), 1000))) == {3, 4}


@settings(max_examples=50, deadline=None)
@given(numerator=st.integers(1, 50), denominator=st.integers(1, 200), spread=st.floats(0.0, 0.99))
def test_a_spread_keeps_exactly_one_injection_an_interval(numerator, denominator, spread):
    frequency = min(numerator, denominator) / denominator
    taken = hits(Periodic(frequency, spread=spread), 600)
    ends = hits(Periodic(frequency), 600)
    assert len(ends) <= len(taken) <= len(ends) + 1
    for before, step, end in zip([-1, *ends], taken, ends, strict=False):
        assert before < step <= end
        assert step > end - spread * (end - before) - 1e-9


def test_a_spread_visits_its_part_of_the_interval_evenly():
    taken = hits(Periodic(0.01, spread=0.5), 20_000)
    early = sorted(99 - step % 100 for step in taken)
    assert len(early) == 200
    assert early[0] == 0
    assert early[-1] == 49
    # Quarters of the part that is used get a quarter of the injections each.
    assert [sum(bound <= value < bound + 12.5 for value in early) for bound in (0, 12.5, 25, 37.5)] == pytest.approx(
        [50] * 4, abs=3
    )


def test_injections_beat_with_the_vibration_unless_they_are_spread():
    """At 20 steps a period, one injection in 100 meets the same phase every time; a spread meets them all."""
    phases = {step % 20 for step in hits(Periodic(0.01), 5000)}
    spread = {step % 20 for step in hits(Periodic(0.01, spread=0.25), 5000)}
    assert len(phases) == 1
    assert len(spread) == 20


@pytest.mark.parametrize("spread", [-0.1, 1.0, math.nan])
def test_spreads_outside_zero_to_one_are_refused(spread):
    with pytest.raises(ConfigError, match=rf"injection\.schedule\.spread = {spread} must lie in \[0, 1\)"):
        Periodic(0.1, spread=spread)


def test_the_ends_of_the_range():
    assert hits(Periodic(0.0), 1000) == hits(Burst(0.0, length=5), 1000) == []
    assert hits(Periodic(1.0), 100) == hits(Burst(1.0, length=5), 100) == list(range(100))


@pytest.mark.parametrize(("frequency", "length"), [(0.1, 1), (0.1, 2), (0.01, 5), (0.5, 3), (0.25, 4), (1.0, 7)])
def test_burst_comes_in_runs_of_its_length_at_its_frequency(frequency, length):
    interval = round(length / frequency)
    taken = hits(Burst(frequency, length=length), 10 * interval)
    assert len(taken) == 10 * length == round(10 * interval * frequency)
    assert taken[:length] == list(range(interval - length, interval))
    assert taken == [step + interval * i for i in range(10) for step in taken[:length]]


@settings(max_examples=50, deadline=None)
@given(frequency=st.floats(0.001, 1.0), length=st.integers(1, 6))
def test_a_burst_never_exceeds_its_frequency(frequency, length):
    n_steps = 2000
    # Frequencies are kept as fractions to one in a million.
    assert len(hits(Burst(frequency, length=length), n_steps)) <= n_steps * (frequency + 1e-6)


@pytest.mark.parametrize("frequency", [-0.01, 1.01, math.nan, math.inf])
@pytest.mark.parametrize("make", [Periodic, lambda frequency: Burst(frequency, length=2)])
def test_frequencies_outside_zero_to_one_are_refused(make, frequency):
    with pytest.raises(ConfigError, match=rf"injection\.schedule\.frequency = {frequency} must lie in \[0, 1\]"):
        make(frequency)


def test_a_burst_of_no_steps_is_refused():
    with pytest.raises(ConfigError, match=r"injection\.schedule\.length = 0 must be at least 1"):
        Burst(0.1, length=0)


def follow(schedule, disagreements):
    """The steps that an adaptive schedule takes when it hears these disagreements in turn."""
    taken, step = [], 0
    for disagreement in disagreements:
        while not schedule.is_hamiltonian(step):
            step += 1
        taken.append(step)
        schedule = schedule.adapted(step, disagreement)
        step += 1
    return taken, schedule


def test_adaptive_doubles_on_agreement_and_halves_on_disagreement():
    schedule = Adaptive(tolerance=0.1, shortest=4, longest=1000)
    #            double double keep  halve halve halve (at the least) double
    heard = [0.01, 0.0249, 0.026, 0.11, 5.0, 5.0, 0.0]
    intervals = [4, 8, 16, 16, 8, 4, 4]
    taken, schedule = follow(schedule, heard)
    assert taken[0] == 3
    assert gaps(taken) == intervals[1:]
    assert schedule.interval == 8


@pytest.mark.parametrize("disagreement", [0.025, 0.05, 0.1])
def test_adaptive_keeps_its_interval_between_a_quarter_of_the_tolerance_and_all_of_it(disagreement):
    schedule = Adaptive(tolerance=0.1, shortest=4, longest=1000)
    assert schedule.adapted(3, 0.0).adapted(11, disagreement).interval == 8
    assert schedule.interval == 4, "it has not changed itself"


def test_adaptive_stays_within_its_bounds():
    schedule = Adaptive(tolerance=0.1, shortest=3, longest=20)
    seen = []
    for step in range(10):
        schedule = schedule.adapted(step, 0.0)
        seen.append(schedule.interval)
    for step in range(10):
        schedule = schedule.adapted(step, 1.0)
        seen.append(schedule.interval)
    assert seen == [6, 12] + [20] * 8 + [10, 5] + [3] * 8


def test_adaptive_counts_nan_as_disagreement():
    schedule = Adaptive(tolerance=0.1, shortest=2, longest=64)
    for step, expected in enumerate((4, 8, 16)):
        schedule = schedule.adapted(step, 0.0)
        assert schedule.interval == expected
    schedule = schedule.adapted(10, math.nan)
    assert schedule.interval == 8
    schedule = schedule.adapted(20, math.inf)
    assert schedule.interval == 4
    assert schedule.is_hamiltonian(24)


def test_adaptive_goes_on_from_its_state():
    first, second = (Adaptive(tolerance=0.1, shortest=2, longest=64) for _ in range(2))
    first = first.adapted(1, 0.0)
    second = second.restored(first.to_dict())
    assert hits(first, 20) == hits(second, 20) == [5]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.0, 1, 10), "tolerance = 0.0 must be positive"),
        ((math.nan, 1, 10), "tolerance = nan must be positive"),
        ((0.1, 0, 10), "needs 1 <= shortest <= longest, not 0 and 10"),
        ((0.1, 11, 10), "needs 1 <= shortest <= longest, not 11 and 10"),
    ],
)
def test_bad_bounds_of_an_adaptive_schedule_are_refused(values, words):
    tolerance, shortest, longest = values
    with pytest.raises(ConfigError, match=words):
        Adaptive(tolerance=tolerance, shortest=shortest, longest=longest)


frequencies = st.one_of(st.just(0.0), st.floats(1e-5, 1.0))


@given(
    schedule=st.one_of(
        st.builds(Periodic, frequencies, spread=st.sampled_from([0.0, 0.5, 0.9])),
        st.builds(Burst, frequencies, length=st.integers(1, 5)),
        st.builds(Adaptive, tolerance=st.just(0.1), shortest=st.integers(1, 9), longest=st.just(9)),
    ),
    step=st.integers(0, 5000),
    length=st.integers(0, 400),
)
def test_the_next_injection_is_the_first_hamiltonian_step(schedule, step, length):
    stop = step + length
    expected = next((later for later in range(step, stop) if schedule.is_hamiltonian(later)), stop)
    assert schedule.next_hamiltonian(step, stop) == expected
