"""What the rollouts of the injection experiment are, one by one, and gathered over seeds."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from experiments.study.runs import Run, grouped

SHIPPED, LINEAR, HELD = "LSTM with shortcut", "linear without LSTM", "held kick without learning"
PLAIN = "plain LSTM"
MORSE_CASES = (SHIPPED, LINEAR, HELD)

NEVER = "never"
KINDS = ("force", "burst", "anchored", "adaptive", "adaptive anchored")
QUANTITIES = ("energy_error_median", "energy_error_worst", "bond_mean_error_A", "bond_wasserstein_A", "vacf_error")
"""Of a rollout, beside its cost."""


@dataclass(frozen=True)
class Point:
    """A rollout: one run under one schedule.

    Attributes:
        case: predictor, and how it was trained where that differs.
        kind: of injection, or `NEVER`.
        schedule: its name.
        seed: of the run.
        frequency: counted Hamiltonian force calls over steps.
        calls: force calls per 1,000 steps, those of the warm-up included.
        n_diverged: replicas.
        scores: by name in `QUANTITIES`; infinity where nothing survived.
        code: the commit that made it.
    """

    case: str
    kind: str
    schedule: str
    seed: int
    frequency: float
    calls: float
    n_diverged: float
    scores: dict[str, float]
    code: str


@dataclass(frozen=True)
class Gathered:
    """A schedule of a case over all its seeds."""

    case: str
    kind: str
    schedule: str
    points: tuple[Point, ...]

    @property
    def frequency(self) -> float:
        """Median of the counted ones."""
        return statistics.median(point.frequency for point in self.points)

    @property
    def calls(self) -> float:
        """Median of the force calls per 1,000 steps."""
        return statistics.median(point.calls for point in self.points)

    def scores(self, quantity: str) -> list[float]:
        """Of all seeds."""
        return [point.scores[quantity] for point in self.points]

    def median(self, quantity: str) -> float:
        """Over seeds."""
        return statistics.median(self.scores(quantity))

    def worst(self, quantity: str) -> float:
        """Greatest of all seeds."""
        return max(self.scores(quantity))


def gathered_points(runs: Sequence[Run]) -> list[Gathered]:
    """All schedules of all cases, frequencies rising within a kind."""
    points = [_point(run, schedule) for run in runs for schedule in run.schedules]
    groups: dict[tuple[str, str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.case, point.kind, point.schedule), []).append(point)
    gathered = [Gathered(*key, tuple(of_schedule)) for key, of_schedule in groups.items()]
    return sorted(gathered, key=lambda each: each.frequency)


def chosen(gathered: Sequence[Gathered], case: str, kind: str) -> list[Gathered]:
    """Of one case and kind."""
    return [each for each in gathered if (each.case, each.kind) == (case, kind)]


def pareto_front(gathered: Sequence[Gathered], error: Callable[[Gathered], float]) -> list[Gathered]:
    """Those that no other beats in cost and error at once, costs rising."""
    front: list[Gathered] = []
    for each in sorted(gathered, key=lambda each: (each.calls, error(each))):
        if math.isfinite(error(each)) and (not front or error(each) < error(front[-1])):
            front.append(each)
    return front


def cases_of(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by case: those with a Morse bond first, in the order of `MORSE_CASES`."""
    groups = grouped(runs, case_of)
    order = [*(case for case in MORSE_CASES if case in groups), *(case for case in groups if case not in MORSE_CASES)]
    return {case: groups[case] for case in order}


def case_of(run: Run) -> str:
    """Which predictor it was, and for a plain LSTM how it was trained."""
    model = run.config["model"]
    if not model.get("network", True):
        return HELD if model["shortcut"] == "held" else LINEAR
    if model["shortcut"]:
        return SHIPPED
    optimizer = "SOAP" if str(run.config["optimizer"]["_target_"]).endswith("SoapPlan") else "Adam"
    rounds = run.config["retraining"]["rounds"]
    return f"{PLAIN} by {optimizer}" + (f" retrained {rounds} times" if rounds else "")


def _point(run: Run, schedule: str) -> Point:
    def score(name: str) -> float:
        return run.score(f"rollout/{schedule}/{name}")

    frequency = score("frequency")
    return Point(
        case_of(run),
        _kind(run, schedule),
        schedule,
        run.config["seed"],
        frequency,
        1000.0 * (score("force_calls") + score("warmup_force_calls")) / score("n_steps"),
        score("diverged_replicas"),
        {name: score(name) for name in QUANTITIES},
        run.code,
    )


def _kind(run: Run, schedule: str) -> str:
    injection = run.config["rollout"]["injections"][schedule]
    name = str(injection["schedule"]["_target_"]).rpartition(".")[2]
    is_anchored = injection.get("anchor") is not None
    if name == "Periodic":
        if injection["schedule"]["frequency"] == 0:
            return NEVER
        return "anchored" if is_anchored else "force"
    return name.lower() + (" anchored" if is_anchored else "")
