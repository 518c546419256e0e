"""Signals that end a command: it stops as after Ctrl-C, and its exit code names the signal."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Handled like an interruption from the keyboard: the first by batch systems and services, the second by terminals."""


class Terminated(KeyboardInterrupt):
    """One of the signals that end a command has arrived."""


_arrived: list[int] = []


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, the signals that end a process raise `Terminated`; those that are ignored or handled already stay so."""
    _arrived.clear()
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in ENDING}
        for number, handler in before.items():
            if handler == signal.SIG_DFL:
                signal.signal(number, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # a handler that was not set from Python cannot be set again
                signal.signal(number, handler)


def exit_code() -> int:
    """Exit code of an interrupted process by the convention of shells: 128 and the number of the signal."""
    return 128 + (_arrived[-1] if _arrived else signal.SIGINT)


def _terminate(number: int, _: object) -> NoReturn:
    _arrived.append(number)
    raise Terminated
