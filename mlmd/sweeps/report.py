"""The report of a sweep: a line when a job begins or ends, and a table of all at its end."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mlmd.errors import ConfigError, nearest
from mlmd.files import as_json
from mlmd.sweeps.folders import METRICS
from mlmd.sweeps.jobs import Job, Outcome, Status

WIDTH = 120


def say(line: str) -> None:
    """One line, shown at once, and whole also when several threads speak."""
    print(f"{line}\n", end="", flush=True)


def begin_line(n_jobs: int, *, n_at_once: int) -> str:
    """The first line of a sweep.

    >>> begin_line(3, n_at_once=2)
    'sweep: 3 jobs, 2 at a time'
    """
    return f"sweep: {n_jobs} job{'s' * (n_jobs != 1)}, {_at_a_time(n_at_once)}"


def search_line(n_trials: int, n_missing: int, *, n_at_once: int) -> str:
    """The first line of a search.

    >>> search_line(20, 20, n_at_once=1)
    'search: 20 of 20 trials to run, one at a time'
    """
    return f"search: {n_missing} of {n_trials} trials to run, {_at_a_time(n_at_once)}"


def _at_a_time(n_at_once: int) -> str:
    return f"{'one' if n_at_once == 1 else n_at_once} at a time"


def start_line(job: Job, folder: Path, *, resumes: bool) -> str:
    """The line for a job that begins or is resumed."""
    return f"[{job.number}] {'resumed' if resumes else 'started'}  {job.name}  {shown(folder)}"


def end_line(outcome: Outcome) -> str:
    """A job has ended, or did not need to run."""
    ended = f"[{outcome.job.number}] {outcome.status:<7}  {outcome.job.name}"
    took = "" if outcome.wall_s is None else f"  {outcome.wall_s:.0f} s"
    return ended + took + (f"  {outcome.note}" if outcome.note else "")


def shown(folder: Path) -> str:
    """A path as short as it is unambiguous from here."""
    relative = os.path.relpath(folder)
    return str(folder) if relative.startswith("..") else relative


def print_table(outcomes: Sequence[Outcome], *, objective: str | None = None) -> None:
    """Every job, how it ended and where it lies.

    Args:
        outcomes: of all jobs.
        objective: name of the quantity that a search looks at.
    """
    from rich.box import SIMPLE_HEAD  # not before a sweep ends: this module is loaded for every command
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("job")
    table.add_column("status")
    if objective is not None:
        table.add_column(objective, justify="right")
    table.add_column("folder", overflow="fold")
    for outcome in sorted(outcomes, key=lambda outcome: outcome.job.number):
        value = [] if objective is None else ["-" if outcome.value is None else f"{outcome.value:.6g}"]
        cells = (outcome.job.name, str(outcome.status), *value, shown(outcome.folder))
        table.add_row(*(Text(cell) for cell in cells))
    console = Console(highlight=False)
    needed = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    # As wide as its longest path, so that a path can be copied.
    width = console.width if console.is_terminal else max(WIDTH, needed)
    console = Console(highlight=False, width=width)
    console.print(Text(), table, Text(), sep="\n", end="")
    sys.stdout.flush()


def best_line(outcome: Outcome, objective: str) -> str:
    """The best trial of a search."""
    return f"best: {outcome.job.name}: {objective} = {outcome.value:.6g} ({shown(outcome.folder)})"


def failure_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """A line for every job that failed: why, and where to look."""
    return [
        f"failed: {outcome.job.name}: {outcome.note} ({shown(outcome.folder)})"
        for outcome in outcomes
        if outcome.status == Status.FAILED
    ]


def closing_line(outcomes: Sequence[Outcome]) -> str | None:
    """What is left to do, or None when every job is finished.

    >>> closing_line([]) is None
    True
    """
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in Status}
    left = [f"{counts[Status.FAILED]} failed"] if counts[Status.FAILED] else []
    left += [f"{counts[Status.RUNNING]} run in another process"] if counts[Status.RUNNING] else []
    if not left:
        return None
    return f"{' and '.join(left)} of {len(outcomes)} jobs; the same command takes up what is not finished"


def read_objective(folder: Path, name: str) -> float | None:
    """A quantity of a finished run; None if it is not finite.

    Raises:
        ConfigError: the run has none of that name.
    """
    metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    if name not in metrics:
        raise ConfigError(f"hydra.sweeper.objective = {name!r} is not in {folder / METRICS}: {nearest(name, metrics)}")
    value = as_json(metrics[name])
    return None if value is None else float(value)
