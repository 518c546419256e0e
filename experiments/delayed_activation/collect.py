"""Table S2: the energy error against the step at which ML takes over, and against the phase of the bond there."""

from collections.abc import Sequence
from pathlib import Path

from experiments.delayed_activation.figures import N_BINS, draw
from experiments.delayed_activation.starts import (
    HIGH,
    LOW,
    Start,
    decades,
    energy_correlation,
    in_bins,
    read_starts,
    share_explained,
)
from experiments.study.results import fill_readme, markdown_table, short, write_csv
from experiments.study.runs import Run
from mlmd.reporting.page import Part, Points, ScatterChart, SortableTable

QUANTITIES = ("energy_error_median", "energy_error_worst", "diverged_replicas", "force_calls", "warmup_force_calls")


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv files, the README's tables, the figure, and the parts of the page."""
    starts = read_starts(runs)
    headings = ["case", "checkpoint", "schedule", "start_step", "start_fs", "energy_error_q10", "energy_error_q90"]
    write_csv(out / "delayed_activation.csv", [*headings, *QUANTITIES, "code"], [_row(start) for start in starts])
    write_csv(
        out / "phases.csv",
        ["case", "schedule", "phase", "n", "energy_error_q10", "energy_error_median", "energy_error_q90"],
        _phase_rows(starts),
    )
    fill_readme(out / "README.md", _table(starts))
    fill_readme(out / "README.md", "\n".join(_verdict(lines) for lines in _lines(starts)), mark="verdict")
    fill_readme(out / "README.md", _shares_table(starts), mark="shares")
    draw(starts, out / "delayed_activation.png")
    return [*_charts(starts), _page_table(starts)]


def _row(start: Start) -> list[str | float]:
    time_fs = start.step * start.run.config["system"]["dt_fs"]
    scores = [start.run.score(f"rollout/{start.schedule}/{name}") for name in QUANTITIES]
    case = [start.case, start.checkpoint, start.schedule, start.step]
    return [*case, time_fs, start.quantile(LOW), start.quantile(HIGH), *scores, start.run.code]


def _lines(starts: Sequence[Start]) -> list[list[Start]]:
    """By case and schedule."""
    keys = dict.fromkeys((start.case, start.schedule) for start in starts)
    return [[start for start in starts if (start.case, start.schedule) == key] for key in keys]


def _phase_rows(starts: Sequence[Start]) -> list[list[str | float]]:
    rows: list[list[str | float]] = []
    for line in _lines(starts):
        if not line[0].is_harmonic:
            continue
        for index, errors in enumerate(map(sorted, in_bins(line, N_BINS))):
            if errors:
                quantiles = [errors[round(share * (len(errors) - 1))] for share in (LOW, 0.5, HIGH)]
                rows.append([line[0].case, line[0].schedule, (index + 0.5) / N_BINS, len(errors), *quantiles])
    return rows


def _table(starts: Sequence[Start]) -> str:
    """A row a start step, median and worst replica."""
    lines = _lines(starts)
    rows = []
    for step in sorted({start.step for start in starts}):
        cells = []
        for line in lines:
            found = [start for start in line if start.step == step]
            cells.append(f"{short(found[0].median)} / {short(max(found[0].errors))}" if found else "")
        rows.append([str(step), *cells])
    return markdown_table(["start step", *(f"{line[0].case}, {line[0].schedule}" for line in lines)], rows)


def _verdict(line: Sequence[Start]) -> str:
    medians = [start.median for start in line]
    within = sorted(decades(start.quantile(LOW), start.quantile(HIGH)) for start in line)
    return (
        f"- {line[0].case}, {line[0].schedule}: the median replica's error is {short(min(medians))} to "
        f"{short(max(medians))} over {len(line)} start steps, {decades(min(medians), max(medians)):.2f} decades; "
        f"the replicas of one start spread over {within[len(within) // 2]:.2f} decades (10 % to 90 %); correlation of "
        f"their errors with the energies of their references {energy_correlation(line):+.3f}"
    )


def _shares_table(starts: Sequence[Start]) -> str:
    """What share of the variance of the ranks of all errors goes with start step, phase, and replica."""
    rows = []
    for line in _lines(starts):
        errors = [error for start in line for error in start.errors]
        phase_bins = [int(phase * N_BINS) for start in line for phase in start.phases]
        labels = {
            "start step": [start.step for start in line for _ in start.errors],
            "phase": phase_bins if line[0].is_harmonic else [],
            "replica": [replica for start in line for replica in range(len(start.errors))],
        }
        cells = []
        for groups in labels.values():
            share, chance = share_explained(errors, groups) if groups else (0.0, 0.0)
            cells.append(f"{100 * share:.1f} % ({100 * chance:.1f} %)" if groups else "-")
        rows.append([line[0].case, line[0].schedule, str(len(errors)), *cells])
    return markdown_table(["case", "schedule", "errors", "start step", f"phase, {N_BINS} bins", "replica"], rows)


def _charts(starts: Sequence[Start]) -> list[Part]:
    lines = _lines(starts)
    of_starts = [
        Points(
            f"{line[0].case}, {line[0].schedule}",
            x=[start.step for start in line],
            y=[start.median for start in line],
            labels=[f"from step {start.step}" for start in line],
            is_joined=True,
        )
        for line in lines
    ]
    of_phases = [
        Points(
            f"{line[0].case}, {line[0].schedule}",
            x=[round(phase, 4) for start in line for phase in start.phases],
            y=[float(f"{error:.4g}") for start in line for error in start.errors],
        )
        for line in lines
        if line[0].is_harmonic
    ]
    error = "|⟨E⟩ / ⟨E⟩ref − 1|"
    note = "Median replica."
    parts: list[Part] = [
        ScatterChart(
            "Energy error against start", of_starts, x="start step", y=error, log_x=True, log_y=True, note=note
        )
    ]
    if of_phases:
        x = "phase of the bond where ML takes over (periods)"
        note = "One point a replica and start step; lost replicas are not drawn."
        parts.append(ScatterChart("Energy error against phase", of_phases, x=x, y=error, log_y=True, note=note))
    return parts


def _page_table(starts: Sequence[Start]) -> SortableTable:
    headings = ["case", "schedule", "start step", "energy error", "worst replica"]
    rows = [(start.case, start.schedule, start.step, short(start.median), short(max(start.errors))) for start in starts]
    return SortableTable(headings, rows)
