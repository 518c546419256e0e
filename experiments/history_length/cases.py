"""Cases of the study of history lengths: one molecule, time step, bond and regime, all windows and seeds."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from experiments.study.runs import Run, grouped

MOLECULES = ("H2", "HCl", "N2", "CO", "Cl2", "I2")
SCHEDULES = ("every_100", "every_100_anchored")
Score = Callable[[Run], float]


def missing_percent(run: Run) -> float:
    """What the velocity accuracy misses of 100 %."""
    return 100.0 - run.score("test/velocity_accuracy_percent")


def energy_error(schedule: str) -> Score:
    """Of the median replica under a schedule; infinite where that one diverged."""
    return lambda run: run.score(f"rollout/{schedule}/energy_error_median")


SCORES: dict[str, Score] = {
    "100 % − accuracy": missing_percent,
    **{f"energy error, {schedule}": energy_error(schedule) for schedule in SCHEDULES},
}
"""The smaller, the better."""


def window_of(run: Run) -> int | None:
    """Steps of the window; None where the memory is carried."""
    memory = run.config["memory"]
    return int(memory["length"]) if memory["kind"] == "window" else None


@dataclass(frozen=True)
class Case:
    """A molecule, time step, bond and regime.

    Attributes:
        system: the molecule.
        dt_fs: time step.
        bond: "harmonic" or "Morse".
        regime: such as "vibrating".
        runs: of all windows and seeds.
    """

    system: str
    dt_fs: float
    bond: str
    regime: str
    runs: Sequence[Run]

    @property
    def name(self) -> str:
        """Such as "HCl, 0.5 fs, harmonic vibrating"."""
        return f"{self.system}, {self.dt_fs:g} fs, {self.bond} {self.regime}"

    @property
    def windows(self) -> dict[int, list[Run]]:
        """Runs of all seeds by window, shortest first."""
        found: dict[int, list[Run]] = {}
        for run in self.runs:
            length = window_of(run)
            if length is not None:
                found.setdefault(length, []).append(run)
        return dict(sorted(found.items()))

    @property
    def carried(self) -> list[Run]:
        """The runs that carry their memory."""
        return [run for run in self.runs if window_of(run) is None]

    @property
    def inflections(self) -> list[float]:
        """First inflection of the reference's VACF, in steps, of every seed that has one."""
        one_of_each = {run.config["seed"]: run for run in self.runs}.values()
        found = (first_inflection(run.curves["reference"]["vacf"]) for run in one_of_each)
        return [steps for steps in found if steps is not None]

    @property
    def quarter_period(self) -> float:
        """Of the harmonic bond, in steps."""
        return float(self.runs[0].curves["period_fs"]) / (4.0 * self.dt_fs)


def cases_of(runs: list[Run]) -> list[Case]:
    """All cases: harmonic ones by molecule, then those of other bonds and time steps."""

    def key(run: Run) -> tuple[str, float, str, str]:
        regime = str(run.config["regime"]["_target_"]).rpartition(".")[2].removesuffix("Regime").lower()
        system = run.config["system"]
        return system["name"], float(system["dt_fs"]), "Morse" if run.is_morse else "harmonic", regime

    cases = [Case(*words, found) for words, found in grouped(runs, key).items()]
    order = {name: index for index, name in enumerate(MOLECULES)}
    return sorted(cases, key=lambda case: (case.bond == "Morse", order.get(case.system, len(order)), -case.dt_fs))


def first_inflection(vacf: Sequence[float | None]) -> float | None:
    """Lag, in samples, of the first zero of the second difference, linear between samples.

    >>> import math
    >>> round(first_inflection([math.cos(2.0 * math.pi * n / 22.0) for n in range(30)]), 6)
    5.5
    """
    known = [value for value in vacf if value is not None]
    bends = [left - 2.0 * middle + right for left, middle, right in zip(known, known[1:], known[2:], strict=False)]
    for index, (now, then) in enumerate(pairwise(bends)):
        if now < 0.0 <= then:
            return index + 1 + now / (now - then)
    return None


def middle(runs: Sequence[Run], score: Score) -> float:
    """Of the seeds; the upper of two."""
    return statistics.median_high(score(run) for run in runs)


@dataclass(frozen=True)
class Optimum:
    """The best window of a case by one score.

    Attributes:
        window: steps; the shortest of equal ones.
        is_boundary: whether it is the shortest or the longest of all.
        ties: windows whose seeds overlap with those of the best, itself included.
        by_seed: the best window of each seed.
        nearest: the window nearest to the first inflection, in ratio; None without an inflection.
    """

    window: int
    is_boundary: bool
    ties: list[int]
    by_seed: list[int]
    nearest: int | None

    @property
    def verdict(self) -> str:
        """Whether the optimum is at the inflection."""
        if self.nearest is None:
            return "no inflection"
        if self.window == self.nearest:
            return "no: at the boundary" if self.is_boundary else "yes"
        answer = "no: at the boundary" if self.is_boundary else "no"
        return f"{answer}, but not distinguishable" if self.nearest in self.ties else answer


def optimum_of(case: Case, score: Score) -> Optimum | None:
    """The best window; None where every window lost its median replica, or there is one window only."""
    windows = case.windows
    scores = {length: middle(runs, score) for length, runs in windows.items()}
    if len(windows) < 2 or not any(math.isfinite(value) for value in scores.values()):
        return None
    best = min(scores, key=lambda length: scores[length])
    worst_of_best = max(score(run) for run in windows[best])
    ties = [length for length, runs in windows.items() if min(score(run) for run in runs) <= worst_of_best]
    inflections = case.inflections
    nearest = None
    if inflections:
        steps = statistics.median(inflections)
        nearest = min(windows, key=lambda length: abs(math.log(length / steps)))
    return Optimum(best, best in (min(windows), max(windows)), ties, _by_seed(windows, score), nearest)


def _by_seed(windows: dict[int, list[Run]], score: Score) -> list[int]:
    seeds = sorted({run.config["seed"] for runs in windows.values() for run in runs})
    best = []
    for seed in seeds:
        of_seed = {length: score(run) for length, runs in windows.items() for run in runs if run.config["seed"] == seed}
        best.append(min(of_seed, key=lambda length: of_seed[length]))
    return best
