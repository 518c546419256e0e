"""Jobs of a sweep, their outcomes, and running several at once."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Status(StrEnum):
    """How a job ended, as a person reads it."""

    DONE = "done"
    SKIPPED = "skipped"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        number: from 0, in the order of the sweep.
        name: the overrides that set it apart.
        overrides: all of the command line.
        digest: of its resolved configuration.
        folder: where it goes if it begins anew.
        trusted: what its configuration names beside mlmd's own classes, typed by the user like all of the sweep.
    """

    number: int
    name: str
    overrides: tuple[str, ...]
    digest: str
    folder: Path
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: which.
        status: how.
        folder: where its results, or what there is of them, lie.
        note: why it failed, in one line, or what is special about it.
        wall_s: how long it took; None if it did not run.
        value: of the objective, in a search.
    """

    job: Job
    status: Status
    folder: Path
    note: str = ""
    wall_s: float | None = None
    value: float | None = None


def run_jobs(jobs: Iterable[Job], run: Callable[[Job], Outcome], *, n_at_once: int) -> Iterator[Outcome]:
    """Run jobs, and give back their outcomes as they come.

    The next job is asked for only when there is room for it and the last outcome was taken, so that a search can choose
    it by what it has seen. One at a time, they run in the calling thread: what trains in this process needs the main
    one for its signals.

    Args:
        jobs: may be endless.
        run: runs one; what it raises ends all.
        n_at_once: how many.
    """
    waiting = iter(jobs)
    if n_at_once == 1:
        yield from map(run, waiting)
        return
    ended: queue.Queue[Outcome | BaseException] = queue.Queue()

    def work(job: Job) -> None:
        try:
            ended.put(run(job))
        except BaseException as error:
            ended.put(error)

    n_running = 0
    while True:
        while n_running < n_at_once and (job := next(waiting, None)) is not None:
            # Daemons: after an interruption the process does not wait for a job on another machine.
            threading.Thread(target=work, args=(job,), daemon=True).start()
            n_running += 1
        if n_running == 0:
            return
        outcome = ended.get()
        n_running -= 1
        if isinstance(outcome, BaseException):
            raise outcome
        yield outcome
