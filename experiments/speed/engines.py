"""Part 1: microseconds per MD step of learned stretches, engine against engine."""

from collections.abc import Iterable, Iterator

from cases import Case, make_rollout
from contenders import STRETCH_STEPS, LearnedStretch, entries
from results import Row
from timing import in_turns, statistics_of

LONG_STRETCH_STEPS = 10 * STRETCH_STEPS
"""Beside the stretch between injections, for one replica: what a call of the engine costs shows as the difference."""


def cases(*, fast: bool) -> list[tuple[Case, tuple[int, ...]]]:
    """Networks and numbers of replicas."""
    if fast:
        return [(Case(), (1, 64)), (Case("3vR0"), (1,))]
    replicas = (1, 64, 1024, 16384)
    return [*((Case(hidden_size=width), replicas) for width in (32, 64, 128)), (Case("3vR0"), replicas)]


def measure(
    *, threads: Iterable[int], n_repeats: int, sample_s: float, fast: bool, only: Iterable[str] | None = None
) -> Iterator[Row]:
    """One row per network, number of replicas, engine, device and number of threads."""
    contestants = entries(threads, only=only)
    for case, numbers in cases(fast=fast):
        for n_replicas in numbers:
            rollout = make_rollout(case, n_replicas)
            lengths = (STRETCH_STEPS, LONG_STRETCH_STEPS) if n_replicas == 1 else (STRETCH_STEPS,)
            placed = {device: rollout.on(device) for device in {entry.device for entry in contestants}}
            for length in lengths:
                # All engines take turns; a thread pool that changes its size between them would slow both.
                for n_threads in sorted({entry.threads for entry in contestants}):
                    stretches = {
                        f"{entry.engine} {entry.device}": LearnedStretch(
                            placed[entry.device], entry, sample_s=sample_s, stretch_steps=length
                        )
                        for entry in contestants
                        if entry.threads == n_threads
                    }
                    samples = in_turns(
                        {name: stretch.contender() for name, stretch in stretches.items()}, n_repeats=n_repeats
                    )
                    for name, stretch in stretches.items():
                        stretch.check()
                        yield _row(case, length, stretch, samples[name])


def _row(case: Case, length: int, stretch: LearnedStretch, samples_us: list[float]) -> Row:
    entry, n_replicas = stretch.entry, stretch.rollout.n_replicas
    statistics = statistics_of(samples_us)
    print(
        f"engines: {case.words}, {n_replicas:,} replicas, {entry.engine} on {entry.device}, {entry.threads} thread(s), "
        f"stretches of {stretch.stretch_steps}: {statistics['median_us']:,} us a step",
        flush=True,
    )
    return {
        "case": case.words,
        "variant": case.variant,
        "hidden_size": case.hidden_size,
        "n_layers": case.n_layers,
        "n_replicas": n_replicas,
        "engine": entry.engine,
        "device": entry.device,
        "threads": entry.threads,
        "longest_stretch": length,
        "stretch_steps": stretch.stretch_steps,
        "n_stretches": stretch.n_stretches,
        **statistics,
    }
