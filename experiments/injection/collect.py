"""How often a Hamiltonian kick has to be injected, and of which kind, against controls without learning."""

from collections.abc import Sequence
from pathlib import Path

from experiments.injection.figures import AT_ZERO, ENERGY, TARGET, draw_frequency, draw_observables, draw_pareto
from experiments.injection.points import (
    KINDS,
    NEVER,
    QUANTITIES,
    SHIPPED,
    Gathered,
    Point,
    cases_of,
    chosen,
    gathered_points,
)
from experiments.study.results import fill_readme, markdown_table, short, write_csv
from experiments.study.runs import Run
from mlmd.reporting.page import Part, Points, ScatterChart, SortableTable

WORST = "energy_error_worst"
CONTROLLED = (0.001, 0.01, 0.1)
"""Frequencies at which the cases are compared."""

CLAIMED_F = 0.01
PERIODIC_KINDS = ("force", "burst", "anchored")
ADAPTIVE_KINDS = ("adaptive", "adaptive anchored")


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv file, the README's tables, the figures, and the parts of the page."""
    cases, gathered = cases_of(runs), gathered_points(runs)
    headings = ["case", "kind", "schedule", "seed", "frequency", "force_calls_per_1000_steps", "diverged_replicas"]
    rows = [_csv_row(point) for case in cases for each in gathered if each.case == case for point in each.points]
    write_csv(out / "injection.csv", [*headings, *QUANTITIES, "code"], rows)
    fill_readme(out / "README.md", _main_table(gathered))
    fill_readme(out / "README.md", _adaptive_table(gathered), mark="adaptive")
    fill_readme(out / "README.md", _controls_table(gathered, list(cases)), mark="controls")
    fill_readme(out / "README.md", "\n".join(_verdict(gathered, list(cases))), mark="verdict")
    draw_frequency(gathered, cases, out / "injection.png")
    draw_pareto(gathered, cases, out / "pareto.png")
    draw_observables(gathered, cases, out / "observables.png")
    return [_frequency_chart(gathered), _pareto_chart(gathered, list(cases)), _page_table(gathered)]


def _csv_row(point: Point) -> list[str | float]:
    case: list[str | float] = [point.case, point.kind, point.schedule, point.seed]
    return [
        *case,
        point.frequency,
        point.calls,
        point.n_diverged,
        *(point.scores[name] for name in QUANTITIES),
        point.code,
    ]


def _cell(each: Gathered) -> str:
    """Median of the seeds' median replicas, and the worst replica of all seeds."""
    return f"{short(each.median(ENERGY))} / {short(each.worst(WORST))}"


def _at(gathered: Sequence[Gathered], case: str, kind: str, frequency: float) -> str:
    """The cell of a kind at a frequency, to a part in a hundred of it; empty where it did not run."""
    found = [each for each in chosen(gathered, case, kind) if abs(each.frequency - frequency) <= 0.01 * frequency]
    return _cell(found[0]) if found else ""


def _main_table(gathered: list[Gathered]) -> str:
    never = chosen(gathered, SHIPPED, NEVER)
    rows = [["0", *([_cell(never[0])] * len(PERIODIC_KINDS))]] if never else []
    shown = {float(f"{each.frequency:.2g}") for kind in PERIODIC_KINDS for each in chosen(gathered, SHIPPED, kind)}
    rows += [
        [f"{frequency:g}", *(_at(gathered, SHIPPED, kind, frequency) for kind in PERIODIC_KINDS)]
        for frequency in sorted(shown - {0.0})  # runs too short for a single injection have f = 0 as well
    ]
    return markdown_table(["f", *PERIODIC_KINDS], rows)


def _adaptive_table(gathered: list[Gathered]) -> str:
    rows = []
    for kind in ADAPTIVE_KINDS:
        for each in chosen(gathered, SHIPPED, kind):
            low, high = min(p.frequency for p in each.points), max(p.frequency for p in each.points)
            rows.append([each.schedule, f"{low:.2g} to {high:.2g}", f"{each.calls:.2f}", _cell(each)])
    return markdown_table(["schedule", "counted f, of the seeds", "force calls per 1,000 steps", "energy error"], rows)


def _controls_table(gathered: list[Gathered], cases: list[str]) -> str:
    rows = []
    for case in cases:
        for kind in ("force", "anchored"):
            never = chosen(gathered, case, NEVER)
            cells = [_at(gathered, case, kind, frequency) for frequency in CONTROLLED]
            if any(cells):
                rows.append([case, kind, _cell(never[0]) if never else "", *cells])
    return markdown_table(["case", "kind", "f = 0", *(f"f = {frequency:g}" for frequency in CONTROLLED)], rows)


def _verdict(gathered: list[Gathered], cases: list[str]) -> list[str]:
    """Per case, the smallest frequency of every kind from which on the target holds in all seeds."""
    lines = []
    for case in cases:
        words = []
        for kind in KINDS:
            of_kind = chosen(gathered, case, kind)
            if of_kind:
                smallest = _smallest_sufficient(of_kind)
                words.append(f"{kind} " + ("at no f" if smallest is None else f"from f = {smallest.frequency:.2g}"))
        never = chosen(gathered, case, NEVER)
        if never:
            words.append(f"without injections {short(never[0].median(ENERGY))}")
        lines.append(
            f"- {case}, energy error below {100 * TARGET:g} % (median replica, every seed): {', '.join(words)}"
        )
    lines += [line for case in cases if (line := _anchoring_gain(gathered, case))]
    return lines


def _smallest_sufficient(of_kind: Sequence[Gathered]) -> Gathered | None:
    """The least frequency from which on every seed meets the target."""
    found = None
    for each in reversed(of_kind):
        if not each.worst(ENERGY) < TARGET:
            break
        found = each
    return found


def _anchoring_gain(gathered: Sequence[Gathered], case: str) -> str:
    cells = {kind: _at(gathered, case, kind, CLAIMED_F) for kind in ("force", "anchored")}
    if not all(cells.values()):
        return ""
    return f"- {case}, at f = {CLAIMED_F:g} (median / worst): force {cells['force']}, anchored {cells['anchored']}"


def _frequency_chart(gathered: list[Gathered]) -> ScatterChart:
    groups = [
        Points(
            kind,
            x=[each.frequency or AT_ZERO for each in line],
            y=[each.median(ENERGY) for each in line],
            labels=[each.schedule for each in line],
            is_joined=True,
        )
        for kind in KINDS
        if (line := [*chosen(gathered, SHIPPED, NEVER), *chosen(gathered, SHIPPED, kind)])
    ]
    return ScatterChart(
        f"Energy error against frequency: {SHIPPED}, Morse",
        groups,
        x=f"counted injection frequency f (0 is drawn at {AT_ZERO:g})",
        y="|⟨E⟩ / ⟨E⟩ref − 1|",
        log_x=True,
        log_y=True,
        is_wide=True,
        note="Median replica, median of the seeds.",
    )


def _pareto_chart(gathered: list[Gathered], cases: list[str]) -> ScatterChart:
    groups = []
    for case in cases:
        found = [each for each in gathered if each.case == case]
        y = [each.median(ENERGY) for each in found]
        groups.append(Points(case, x=[each.calls for each in found], y=y, labels=[each.schedule for each in found]))
    return ScatterChart(
        "Energy error against cost",
        groups,
        x="force calls per 1,000 steps, warm-up included",
        y="|⟨E⟩ / ⟨E⟩ref − 1|",
        log_x=True,
        log_y=True,
        is_wide=True,
        note="Median replica, median of the seeds; lost ones are not drawn.",
    )


def _page_table(gathered: list[Gathered]) -> SortableTable:
    quantities = (ENERGY, "bond_wasserstein_A", "vacf_error")
    rows = [
        [
            *(each.case, each.kind, each.schedule, f"{each.frequency:.3g}", f"{each.calls:.3g}"),
            *(short(each.median(quantity)) for quantity in quantities),
            short(each.worst(WORST)),
        ]
        for each in gathered
    ]
    headings = ["case", "kind", "schedule", "f", "force calls per 1,000 steps", "energy error"]
    headings += ["distance of bond lengths, Å", "VACF error", "energy error of the worst replica"]
    return SortableTable(headings, rows, caption="Medians of the seeds")
