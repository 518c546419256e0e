"""Rollouts of the plain stacked LSTM by the noise on its inputs in training."""

from pathlib import Path

from matplotlib.figure import Figure

from experiments.study.caption import rollout_caption
from experiments.study.results import fill_readme, markdown_table, percent, save_figure, short, write_csv
from experiments.study.runs import Run, grouped
from mlmd.reporting.page import Part, Points, ScatterChart, SortableTable
from mlmd.reporting.style import SCHEDULE_COLOURS, dress_axes

SCHEDULES = ("never", "every_1000", "every_100", "every_100_anchored")
SCORES = ("energy_error_median", "energy_error_worst", "diverged_replicas")
BAR_MEDIAN, BAR_WORST = 0.01, 0.05
"""Energy errors that bare injections every 100 steps must not exceed, of the median and of the worst replica."""


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv file, the README's table, the figure, and the parts of the page."""
    headings = ["system", "noise", "seed", "accuracy_percent", "schedule", *SCORES, "code"]
    rows = [
        [run.config["system"]["name"], _noise(run), run.config["seed"], _accuracy(run), schedule]
        + [run.score(f"rollout/{schedule}/{score}") for score in SCORES]
        + [run.code]
        for run in runs
        for schedule in _schedules(run)
    ]
    write_csv(out / "own_model.csv", headings, rows)
    fill_readme(out / "README.md", _table(runs))
    _draw(runs, out / "own_model.png")
    return [_chart(runs), SortableTable(headings[:-1], [row[:-1] for row in rows])]


def _noise(run: Run) -> float:
    return float(run.config["data"]["batches"]["noise"])


def _accuracy(run: Run) -> float:
    return run.score("test/velocity_accuracy_percent")


def _schedules(run: Run) -> list[str]:
    return [schedule for schedule in SCHEDULES if schedule in run.schedules]


def _table(runs: list[Run]) -> str:
    """A row a noise and seed: accuracy, then median and worst energy error and lost replicas by schedule."""
    rows = []
    for run in sorted(runs, key=lambda each: (_noise(each), each.config["seed"])):
        cells = []
        for schedule in _schedules(run):
            median, worst, lost = (run.score(f"rollout/{schedule}/{score}") for score in SCORES)
            cells.append(f"{short(median)} / {short(worst)}, {lost:g}")
        rows.append([f"{_noise(run):g}", str(run.config["seed"]), percent(_accuracy(run)), *cells])
    return markdown_table(["noise", "seed", "accuracy", *_schedules(runs[0])], rows)


def _draw(runs: list[Run], path: Path) -> None:
    figure = Figure(figsize=(7.0, 3.6), facecolor="white")
    axes = figure.subplots()
    schedules = _schedules(runs[0])
    for shift, (noise, colour) in enumerate(zip(sorted({_noise(run) for run in runs}), SCHEDULE_COLOURS, strict=False)):
        chosen = [run for run in runs if _noise(run) == noise]
        x = [place + 0.24 * shift - 0.12 for place in range(len(schedules))]
        for label, score, marker in (("median", SCORES[0], "o"), ("worst", SCORES[1], "_")):
            points = [
                (at, run.score(f"rollout/{schedule}/{score}"))
                for at, schedule in zip(x, schedules, strict=True)
                for run in chosen
            ]
            name = f"noise {noise:g}, {label} replica"
            axes.plot(*zip(*points, strict=True), marker, color=colour, markersize=6, linestyle="none", label=name)
    axes.set_yscale("log")
    axes.axhline(BAR_MEDIAN, color="0.5", linewidth=0.9, linestyle="--")
    axes.axhline(BAR_WORST, color="0.5", linewidth=0.9, linestyle=":")
    axes.set_xticks(range(len(schedules)), [schedule.replace("_", " ") for schedule in schedules])
    axes.legend(fontsize=7, frameon=False, ncols=2)
    dress_axes(axes, x="", y="relative energy error, last ten periods", title="")
    save_figure(figure, path, caption=rollout_caption("own_model", runs, "a point a seed; lines: 1 % and 5 %"))


def _chart(runs: list[Run]) -> ScatterChart:
    groups = []
    for noise, chosen in grouped(runs, _noise).items():
        labels = [f"seed {run.config['seed']}" for run in chosen]
        x = [100.0 - _accuracy(run) for run in chosen]
        y = [run.score(f"rollout/every_100/{SCORES[1]}") for run in chosen]
        groups.append(Points(f"noise {noise:g}", x=x, y=y, labels=labels))
    return ScatterChart(
        "Worst replica with bare injections every 100 steps",
        groups,
        x="100 % − velocity accuracy (%)",
        y="relative energy error",
        log_x=True,
        log_y=True,
        note="Noise on the inputs changes neither.",
    )
