"""Runs commands in this process up to the first seconds of their long work, and says how each ended."""

import contextlib
import io
import os
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LONG_WORK = (
    ("mlmd.systems.minimum._computed", 1.0),
    ("mlmd.cli.train.reference_data", 1.0),
    ("mlmd.cli.train.fit", 1.0),
    ("mlmd.cli.simulate.record", 1.0),
    ("mlmd.on_the_fly.folder_backend.LearningStore.go", 0.5),
)
"""Functions after whose beginning a command may take its time, and the seconds for which they are watched."""

MAX_ANSWER_S = 3.0
MAX_LETTERS = 300
MEMORY_BYTES = 4 * 2**30
"""What a command may ask for beyond what the process has."""


class LongWork(BaseException):
    """The command has passed its checks and is at work."""


class NoAnswer(BaseException):
    """The command has neither refused nor begun for too long."""


@dataclass(frozen=True)
class Answer:
    """How a command answered.

    Attributes:
        ended: "refused", "at work", "done", or "failed" for everything that has no one-line error.
        words: what was printed as an error.
        took_s: seconds of the CPU until it refused, or began its long work.
    """

    ended: str
    words: str
    took_s: float

    def faults(self) -> list[str]:
        """What is wrong with the answer, whatever the question was."""
        found = []
        if self.ended == "failed":
            found.append("no one-line error")
        if self.ended == "refused":
            if not re.fullmatch(r"error: [^\n]*\n", self.words):
                found.append("the error is not one line")
            if len(self.words) > MAX_LETTERS + 1:
                found.append(f"the error has {len(self.words)} letters")
        if self.took_s > MAX_ANSWER_S:
            found.append(f"answered after {self.took_s:.1f} s")
        return found


class Watched:
    """Wraps the functions of long work, so that a command ends once it is at one."""

    def __init__(self) -> None:
        self.began = 0.0
        self.at_work = False
        self.took_s: float | None = None

    def wrap(self, function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            self.took_s = self.took_s or time.process_time() - self.began
            self.at_work = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            try:
                return function(*arguments, **keywords)
            finally:
                self.at_work = False
                signal.setitimer(signal.ITIMER_REAL, 20.0)

        return call

    def on_alarm(self, *_: object) -> None:
        raise LongWork if self.at_work else NoAnswer


@contextlib.contextmanager
def commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Sequence[str]], Answer]]:
    """A function that runs a command line in this process."""
    import importlib

    from mlmd.cli import simulate, train  # noqa: F401  # patched below
    from mlmd.cli.entry import run
    from mlmd.training import PredictorModule

    watched = Watched()
    for path, seconds in LONG_WORK:
        owner_path, _, name = path.rpartition(".")
        try:
            owner: Any = importlib.import_module(owner_path)
        except ModuleNotFoundError:
            module, _, attribute = owner_path.rpartition(".")
            owner = getattr(importlib.import_module(module), attribute)
        monkeypatch.setattr(owner, name, watched.wrap(getattr(owner, name), seconds))
    validation_step = PredictorModule.validation_step

    def after_the_first(*arguments: Any, **keywords: Any) -> Any:
        validation_step(*arguments, **keywords)
        raise LongWork

    monkeypatch.setattr(PredictorModule, "validation_step", after_the_first)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGALRM, watched.on_alarm)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY_BYTES, limits[1]))

    def answer(command: str, arguments: Sequence[str]) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        watched.began, watched.took_s = time.process_time(), None
        ended = "done"
        signal.setitimer(signal.ITIMER_REAL, 20.0)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                run(command, list(arguments))
        except LongWork:
            ended = "at work"
        except NoAnswer:
            ended = "at work"
        except SystemExit as error:
            ended = {0: "done", None: "done", 2: "refused"}.get(error.code, "failed")  # type: ignore[call-overload]
        except Exception as error:  # a bug of mlmd
            ended = "failed"
            err.write(f"{type(error).__name__}: {error}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            took_s = watched.took_s or time.process_time() - watched.began
        return Answer(ended, err.getvalue(), took_s)

    try:
        yield answer
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        for number, handler in handlers.items():
            signal.signal(number, handler)
