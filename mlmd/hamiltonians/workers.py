"""Worker processes that compute forces in parallel, each on one thread and with its own replicas."""

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from mlmd.errors import CalculatorError, ConfigError, MlmdError
from mlmd.hamiltonians.method import Array, Method
from mlmd.hamiltonians.single_points import LocalPoints

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Read by numerical libraries as they load, so they must be in the environment in which a process starts."""


class WorkerPoints:
    """Single points in other processes; the process of replica i is i modulo their number, whatever the batch."""

    def __init__(self, method: Method, symbols: tuple[str, ...]) -> None:
        self.method, self.symbols = method, symbols
        self._pipes: dict[int, Connection] = {}

    def compute(
        self, replicas: Sequence[int], positions: Array, *, stop_at_failure: bool = False
    ) -> tuple[Array, Array]:
        """Energies and forces; the processes work at the same time.

        Raises:
            CalculatorError: as the single points, or a process died.
        """
        owned = np.array(replicas)
        owners = owned % self.method.n_processes
        shares = {int(owner): np.flatnonzero(owners == owner) for owner in np.unique(owners)}
        energies, forces = np.empty(len(replicas)), np.empty_like(positions)
        answers = self._ask(
            {owner: (owned[share].tolist(), positions[share], stop_at_failure) for owner, share in shares.items()}
        )
        for owner, share in shares.items():
            energies[share], forces[share] = answers[owner]
        return energies, forces

    def forget(self) -> None:
        """Drop what every single point remembers."""
        self._ask(dict.fromkeys(self._pipes, None))

    def _ask(self, questions: dict[int, Any]) -> dict[int, Any]:
        """Send each process its geometries, then read all answers: one left in a pipe would be taken for the next."""
        try:
            for owner, question in questions.items():
                if owner not in self._pipes:
                    self._pipes[owner] = _start(self.method, self.symbols)
                self._pipes[owner].send(question)
            answers = {owner: self._pipes[owner].recv() for owner in questions}
        except (EOFError, OSError) as error:
            self._pipes.clear()
            raise CalculatorError(
                f"{self.method.name}: a process that computes forces has died (killed for its memory?, or a script "
                "without 'if __name__ == \"__main__\"'): run it again, with fewer n_processes"
            ) from error
        except BaseException:
            self._pipes.clear()
            raise
        for answer in answers.values():
            if isinstance(answer, MlmdError):
                raise answer
            if isinstance(answer, str):
                raise RuntimeError(f"in a process that computes forces:\n{answer}")
        return answers


def _start(method: Method, symbols: tuple[str, ...]) -> Connection:
    """A pipe to a new process. Once the pipe is closed, or this process gone, the new one ends.

    Raises:
        ConfigError: the method cannot be sent to another process.
    """
    try:
        pickle.dumps(method)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{method.name} cannot be sent to other processes ({error}): make its calculator in a function at the top "
            "of a module, or set n_processes=1"
        ) from error
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with _environment(ONE_THREAD):
        context.Process(target=_serve, args=(theirs, method, symbols), daemon=True).start()
    theirs.close()
    return ours


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """The environment of processes that start now."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection, method: Method, symbols: tuple[str, ...]) -> None:
    """Answer questions until the pipe closes: None is to forget, all else replicas and positions."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    points = LocalPoints(method, symbols)
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(points, question))


def _answer(points: LocalPoints, question: Any) -> Any:
    try:
        if question is None:
            return points.forget()
        replicas, positions, stop_at_failure = question
        return points.compute(replicas, positions, stop_at_failure=stop_at_failure)
    except MlmdError as error:
        return error
    except Exception:
        return traceback.format_exc()  # a bug keeps its traceback, as text: not every exception can be sent
