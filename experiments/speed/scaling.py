"""Part 5: how the cost of a learned step grows, with log-log slopes."""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
from cases import Case, make_rollout
from contenders import LearnedStretch, entries
from results import Row
from timing import in_turns, statistics_of

AXES = ("atoms", "replicas", "layers", "hidden", "window")
BATCHES = (1, 256)
"""Numbers of replicas at which the other axes are gone along: latency, and throughput."""


def points(*, fast: bool) -> Iterator[tuple[str, int, list[tuple[int, Case]]]]:
    """(axis, number of replicas, [(value, network)]); where the axis is the number of replicas, that number is 0."""
    ends = 2 if fast else None
    yield "replicas", 0, [(4**power, Case()) for power in range(8)][:ends]
    for n_replicas in BATCHES[:1] if fast else BATCHES:
        # With 64 atoms an untrained network in the lab frame leaves physics within a sample.
        yield "atoms", n_replicas, [(n, Case("3vR0", n_atoms=n)) for n in (2, 4, 8, 16, 32)][:ends]
        yield "layers", n_replicas, [(n, Case(n_layers=n)) for n in (1, 2, 3, 4)][:ends]
        yield "hidden", n_replicas, [(n, Case(hidden_size=n)) for n in (16, 32, 64, 128, 256)][:ends]
        yield "window", n_replicas, [(n, Case(window=n)) for n in (4, 8, 16, 32, 64)][:ends]


def measure(
    *, threads: int, n_repeats: int, sample_s: float, fast: bool, only: Iterable[str] | None = None
) -> Iterator[Row]:
    """One row per axis, value, number of replicas and engine; along an axis all values and engines take turns."""
    contestants = entries([threads], only=only)
    for axis, replicas, values in points(fast=fast):
        stretches = {}
        for value, case in values:
            rollout = make_rollout(case, replicas or value)
            for entry in contestants:
                stretches[value, entry] = LearnedStretch(rollout.on(entry.device), entry, sample_s=sample_s)
        samples = in_turns({str(key): stretch.contender() for key, stretch in stretches.items()}, n_repeats=n_repeats)
        for (value, entry), stretch in stretches.items():
            stretch.check()
            yield {
                "axis": axis,
                "value": value,
                "n_replicas": stretch.rollout.n_replicas,
                "engine": entry.engine,
                "device": entry.device,
                "threads": entry.threads,
                "macs": stretch.rollout.case.macs * stretch.rollout.n_replicas,
                "stretch_steps": stretch.stretch_steps,
                **statistics_of(samples[str((value, entry))]),
            }
        print(f"scaling: {axis}" + (f", {replicas:,} replicas" if replicas else ""), flush=True)


def series(rows: Sequence[Row]) -> Iterator[tuple[str, int, str, list[Row]]]:
    """(axis, number of replicas or 0, engine with its device, rows by value) of every measured line."""

    def line(row: Row) -> tuple[int, int, str]:
        replicas = 0 if row["axis"] == "replicas" else row["n_replicas"]
        place = "" if row["device"] == "cpu" else " on the GPU"
        return AXES.index(row["axis"]), replicas, row["engine"] + place

    for (axis, replicas, engine), members in groupby(sorted(rows, key=line), key=line):
        yield AXES[axis], replicas, engine, sorted(members, key=lambda row: row["value"])


def slopes(rows: Sequence[Row]) -> tuple[float, float, float, float]:
    """Log-log slope over all values, as median, least and greatest of the repeats, and over the last two values.

    The slope of a repeat is a least-squares line through its own times; the last two values say where the cost is
    heading once what a step costs anyway is behind.
    """
    values = np.log([row["value"] for row in rows])
    times = np.log([[float(sample) for sample in row["samples_us"].split()] for row in rows])
    each = np.polyfit(values, times, 1)[0].tolist()
    last = math.log(rows[-1]["median_us"] / rows[-2]["median_us"]) / float(values[-1] - values[-2])
    return statistics.median(each), min(each), max(each), last
