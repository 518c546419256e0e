"""Signals that end a command: it stops as after Ctrl-C, and its exit code names the signal."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Handled like an interruption from the keyboard: the first by batch systems and services, the second by terminals."""


class Terminated(KeyboardInterrupt):
    """One of the signals that end a command has arrived."""


REPEAT_S = 0.05
"""Time after which a signal is sent again whose exception ended nothing, in seconds."""

_arrived: list[int] = []


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, the signals that end a process raise `Terminated`; those that are ignored or handled already stay so.

    Where Python calls back from C code it cannot pass an exception on, but reports it as unraisable. If such an
    exception is an interruption, the signal is sent again a moment later.
    """
    _arrived.clear()
    report = sys.unraisablehook

    def repeat_or_report(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            _repeat()
        else:
            report(unraisable)

    sys.unraisablehook = repeat_or_report
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in ENDING}
        for number, handler in before.items():
            if handler == signal.SIG_DFL:
                signal.signal(number, _terminate)
    try:
        yield
    finally:
        sys.unraisablehook = report
        for number, handler in before.items():
            with suppress(TypeError):  # a handler that was not set from Python cannot be set again
                signal.signal(number, handler)


def exit_code() -> int:
    """Exit code of an interrupted process by the convention of shells: 128 and the number of the signal."""
    return 128 + (_arrived[-1] if _arrived else signal.SIGINT)


def _repeat() -> None:
    number = _arrived[-1] if _arrived else signal.SIGINT
    again = threading.Timer(REPEAT_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _terminate(number: int, _: object) -> NoReturn:
    _arrived.append(number)
    raise Terminated
