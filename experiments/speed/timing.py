"""The stopwatch of every part: whole stretches, warmed up, taken in turns, with the garbage collector off."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

SETTLE_S = 0.005
"""OpenMP threads of the contender before spin for a while on cores that this one needs."""


def _nothing() -> None:
    """Nothing to prepare."""


@dataclass(frozen=True)
class Contender:
    """Something that is timed beside others.

    Attributes:
        work: what is timed; it ends when its results are there (CUDA is waited for by the stopwatch).
        n_units: MD steps or calls in one piece of work.
        prepare: put back what the work changes; not timed.
        threads: CPU threads of PyTorch during the work.
        on_gpu: wait for the GPU before reading the clock.
    """

    work: Callable[[], None]
    n_units: int
    prepare: Callable[[], None] = _nothing
    threads: int = 1
    on_gpu: bool = False


@contextmanager
def no_collection() -> Iterator[None]:
    """The garbage collector off, and its backlog cleared before."""
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def in_turns(contenders: Mapping[str, Contender], *, n_repeats: int, warm_ups: int = 1) -> dict[str, list[float]]:
    """Microseconds per unit of every contender, ``n_repeats`` times in turns (A, B, A, B, ...).

    Turns let a drift of the machine hit all alike; every second round goes backwards, so none always follows the same
    neighbour. Warm-up rounds compile, fill caches and are thrown away.
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    with no_collection(), torch.no_grad():  # as the propagator runs
        for round_ in range(-warm_ups, n_repeats):
            for name in order if round_ % 2 == 0 else reversed(order):
                took_us = once(contenders[name]) / contenders[name].n_units
                if round_ >= 0:
                    samples[name].append(took_us)
    return samples


def once(contender: Contender) -> float:
    """Microseconds of one piece of work."""
    if torch.get_num_threads() != contender.threads:
        torch.set_num_threads(contender.threads)
    contender.prepare()
    if contender.threads > 1:
        time.sleep(SETTLE_S)
    _wait(contender.on_gpu)
    began = time.perf_counter_ns()
    contender.work()
    _wait(contender.on_gpu)
    return (time.perf_counter_ns() - began) / 1000.0


def calls_to_fill(work: Callable[[], None], *, sample_s: float, most: int = 100_000) -> int:
    """Calls of ``work`` that take about ``sample_s``, estimated after one call that warms up."""
    work()
    n_calls, began = 0, time.perf_counter()
    while n_calls < 3 and time.perf_counter() - began < sample_s:
        work()
        n_calls += 1
    return max(1, min(most, round(sample_s * n_calls / (time.perf_counter() - began))))


def calls(work: Callable[[], None], n_calls: int) -> Callable[[], None]:
    """``work`` so many times over."""

    def repeated() -> None:
        for _ in range(n_calls):
            work()

    return repeated


def _wait(on_gpu: bool) -> None:
    if on_gpu:
        torch.cuda.synchronize()


STATISTICS = ("median_us", "lower_quartile_us", "upper_quartile_us", "min_us", "max_us", "n_repeats", "samples_us")


def statistics_of(samples_us: list[float]) -> dict[str, float | int | str]:
    """Median, quartiles and ends of samples, and the samples themselves, under the names of ``STATISTICS``."""
    if len(samples_us) > 1:
        lower, _, upper = statistics.quantiles(samples_us, n=4, method="inclusive")
    else:
        lower = upper = samples_us[0]
    kept = " ".join(f"{sample:.5g}" for sample in samples_us)
    numbers = (statistics.median(samples_us), lower, upper, min(samples_us), max(samples_us))
    named = dict(zip(STATISTICS, (float(f"{number:.6g}") for number in numbers), strict=False))
    return {**named, "n_repeats": len(samples_us), "samples_us": kept}
