import logging
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import Mock

import pytest

from cli.running import ROOT, trained_run


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    return trained_run(tmp_path_factory.getbasetemp())


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys) -> Iterator[Callable[..., Ended]]:
    """A command in this process, from an empty working directory."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)

    def run(script: str, *arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [f"{script}.py", *arguments])
        capsys.readouterr()
        code = 0
        try:
            runpy.run_path(str(ROOT / f"{script}.py"), run_name="__main__")
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capsys.readouterr())

    yield run
    # Hydra gives the root logger handlers of its own.
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def no_figures(monkeypatch) -> None:
    """Runs that leave metrics.json and draw nothing."""
    monkeypatch.setattr("mlmd.cli.train.draw_training", Mock())
    monkeypatch.setattr("mlmd.cli.simulate.draw_rollouts", Mock())


@pytest.fixture
def interrupted_after(monkeypatch) -> Iterator[Callable[[type, str, int], None]]:
    """Ctrl-C at a later call of a method, once."""

    def arm(owner: type, name: str, n_calls: int) -> None:
        method, left = getattr(owner, name), [n_calls]

        def call(*arguments, **keywords):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return method(*arguments, **keywords)

        monkeypatch.setattr(owner, name, call)

    handler = signal.getsignal(signal.SIGINT)
    yield arm
    signal.signal(signal.SIGINT, handler)  # Lightning ignores it from the first on
