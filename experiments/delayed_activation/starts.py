"""Simulations by the step at which ML took over, the phase of every replica there, and what explains their errors."""

import math
import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.study.runs import Run
from mlmd.systems.table import diatomic_record

ENERGY = "energy_error_median"
FLOOR, LOST = 1e-7, 100.0
"""Errors below are drawn there, as are those above, and of replicas that were lost."""

LOW, HIGH = 0.1, 0.9
"""Quantiles over the replicas."""


@dataclass(frozen=True)
class Start:
    """One simulation.

    Attributes:
        case: model, bond and initial states.
        checkpoint: folder of the training run.
        schedule: name of the injection.
        step: at which ML took over.
        is_harmonic: whether the bond is, so that a phase means something.
        errors: relative energy error by replica; infinite where it diverged.
        phases: of the bond by replica where ML took over, in periods from 0 (bond longest) to 1.
        run: where it is from.
    """

    case: str
    checkpoint: str
    schedule: str
    step: int
    is_harmonic: bool
    errors: tuple[float, ...]
    phases: tuple[float, ...]
    run: Run

    @property
    def median(self) -> float:
        """Of the replicas, as the run's own record has it."""
        return self.run.score(f"rollout/{self.schedule}/{ENERGY}")

    def quantile(self, share: float) -> float:
        """Over the replicas, by nearest rank."""
        return sorted(self.errors)[round(share * (len(self.errors) - 1))]


def read_starts(runs: Sequence[Run]) -> list[Start]:
    """All simulations, harmonic ones first, start steps rising."""
    starts = [_start(run, schedule) for run in runs for schedule in run.schedules]
    return sorted(starts, key=lambda start: (not start.is_harmonic, start.case, start.schedule != "never", start.step))


def clipped(error: float) -> float:
    """As it is drawn on a logarithmic axis."""
    return min(max(error, FLOOR), LOST)


def decades(low: float, high: float) -> float:
    """Between two errors as they are drawn."""
    return math.log10(clipped(high) / clipped(low))


def energy_correlation(starts: Sequence[Start]) -> float:
    """Pearson's, of energy errors with the references' energies, over the replicas of all starts."""
    rows = [row for start in starts for row in start.run.replicas if row.schedule == start.schedule]
    errors = [math.inf if row.energy_error is None else row.energy_error for row in rows]
    energies = [row.reference_energy_eV or 0.0 for row in rows]
    if not all(map(math.isfinite, errors)) or len(set(errors)) < 2 or len(set(energies)) < 2:
        return math.nan
    return statistics.correlation(errors, energies)


def in_bins(starts: Sequence[Start], n_bins: int) -> list[list[float]]:
    """Errors of all replicas of all starts by phase."""
    bins: list[list[float]] = [[] for _ in range(n_bins)]
    for start in starts:
        for phase, error in zip(start.phases, start.errors, strict=True):
            bins[min(int(phase * n_bins), n_bins - 1)].append(error)
    return bins


def share_explained(values: Sequence[float], groups: Sequence[Hashable]) -> tuple[float, float]:
    """Share of the variance of the values' ranks between groups (Kruskal and Wallis 1952), and what chance would give.

    >>> share_explained([1.0, 2.0, 3.0, 4.0], "aabb")
    (0.8, 0.3333333333333333)
    """
    ranks = _ranks(values)
    middle = statistics.fmean(ranks)
    members: dict[Hashable, list[float]] = {}
    for rank, group in zip(ranks, groups, strict=True):
        members.setdefault(group, []).append(rank)
    total = sum((rank - middle) ** 2 for rank in ranks)
    between = sum(len(of_group) * (statistics.fmean(of_group) - middle) ** 2 for of_group in members.values())
    chance = (len(members) - 1) / max(1, len(ranks) - 1)
    return (between / total if total else 0.0), chance


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1; those that are equal share the mean of theirs."""
    places: dict[float, list[int]] = {}
    for rank, value in enumerate(sorted(values), start=1):
        places.setdefault(value, []).append(rank)
    return [statistics.fmean(places[value]) for value in values]


def _start(run: Run, schedule: str) -> Start:
    curves = run.curves
    label, omega = curves["run"], 2.0 * math.pi / curves["period_fs"]
    r_e = diatomic_record(label["system"]).r_e_A
    replicas = [row for row in run.replicas if row.schedule == schedule]
    phases: list[float] = []
    for row in replicas:
        if row.bond_length_A is None or row.bond_velocity_A_per_fs is None:
            raise ValueError(f"{run.folder}/replicas.csv has a replica without a bond length where ML takes over")
        angle = math.atan2(-row.bond_velocity_A_per_fs / omega, row.bond_length_A - r_e)
        phases.append(angle / (2.0 * math.pi) % 1.0)
    return Start(
        f"{label['system']} {label['variant']} {label['hamiltonian']} {label['regime']}",
        Path(str(run.config["checkpoint"])).name,
        schedule,
        run.config["start_step"],
        not run.is_morse,
        tuple(math.inf if row.energy_error is None else row.energy_error for row in replicas),
        tuple(phases),
        run,
    )
