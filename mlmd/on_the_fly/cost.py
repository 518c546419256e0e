"""The cost of an on-the-fly run so far, and that of pure Hamiltonian dynamics."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

KINDS = ("training", "trial", "learned")
"""What is timed beside the force calls: trainings, tests of predictors, learned steps."""


@dataclass(frozen=True)
class Entry:
    """Where the run stood at a moment.

    Attributes:
        step: MD steps done.
        phase: "hamiltonian" or "learned".
        force_calls: so far, of every replica each.
        elapsed_s: wall-clock time so far, everything included.
    """

    step: int
    phase: str
    force_calls: int
    elapsed_s: float


class Ledger:
    """Wall-clock time by what it was spent on.

    The times of a resumed run continue from the last save; steps and seconds after it are lost together.

    Args:
        began: `time.perf_counter` at the start of the command; what happens before the first step counts too.

    Attributes:
        seconds: by kind, and of force calls under "forces".
        entries: along the run.
    """

    def __init__(self, *, began: float) -> None:
        self._began = began
        self._before_s = 0.0
        self.seconds = dict.fromkeys(("forces", *KINDS), 0.0)
        self.entries: list[Entry] = []

    @property
    def elapsed_s(self) -> float:
        """Wall-clock time so far."""
        return self._before_s + time.perf_counter() - self._began

    @contextmanager
    def spending(self, kind: str) -> Iterator[None]:
        """Time a block; force calls inside it are taken off by `charge_forces`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] += time.perf_counter() - began

    def charge_forces(self, seconds: float, *, within: str | None = None) -> None:
        """Count time of force calls, which a timed kind contained."""
        self.seconds["forces"] += seconds
        if within is not None:
            self.seconds[within] -= seconds

    def note(self, step: int, phase: str, force_calls: int) -> None:
        """Add an entry."""
        self.entries.append(Entry(step, phase, force_calls, self.elapsed_s))

    def force_call_s(self, force_calls: int) -> float:
        """Mean time of a force call."""
        return self.seconds["forces"] / max(1, force_calls)

    def speed_up(self, step: int, force_calls: int) -> float:
        """Force-call time times steps over the wall-clock time so far, trainings and Hamiltonian steps included."""
        return self.force_call_s(force_calls) * step / self.elapsed_s

    def state_dict(self) -> dict[str, Any]:
        """Plain values, for a restart file."""
        entries = [(entry.step, entry.phase, entry.force_calls, entry.elapsed_s) for entry in self.entries]
        return {"elapsed_s": self.elapsed_s, "seconds": dict(self.seconds), "entries": entries}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` wrote; the start-up of the resumed process counts as well."""
        self._before_s = state["elapsed_s"]
        self.seconds = dict(state["seconds"])
        self.entries = [Entry(*entry) for entry in state["entries"]]


def break_even_step(entries: list[Entry], force_call_s: float) -> int | None:
    """The step from which the run stays cheaper than pure Hamiltonian dynamics; None where it ends dearer.

    >>> entries = [Entry(10, "hamiltonian", 10, 12.0), Entry(20, "learned", 11, 15.0), Entry(30, "learned", 12, 16.0)]
    >>> break_even_step(entries, 1.0)
    20
    """
    found = None
    for entry in reversed(entries):
        if entry.elapsed_s > entry.step * force_call_s:
            break
        found = entry.step
    return found
