"""An interruption that Python could not pass on, as out of a callback from C, still ends the command."""

import ctypes
import signal
import sys
import time

import pytest

from mlmd.cli.signals import ended_by_signals, exit_code


def inside_a_callback_from_c(act) -> None:
    ctypes.CFUNCTYPE(None)(act)()


def interrupted_in_a_callback(number: int) -> None:
    with ended_by_signals():
        inside_a_callback_from_c(lambda: signal.raise_signal(number))
        time.sleep(5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_inside_a_callback_from_c_ends_the_command(number, capfd):
    before = signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted_in_a_callback(number)
        assert exit_code() == 128 + number
    finally:
        signal.signal(number, before)
    assert capfd.readouterr().err == ""


def test_other_errors_that_cannot_be_passed_on_are_still_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with ended_by_signals():
        inside_a_callback_from_c(lambda: 1 / 0)
    assert [type(each.exc_value) for each in reported] == [ZeroDivisionError]
