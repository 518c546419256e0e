"""Progress on the terminal: one bar at a time, gone when done; without a terminal, nothing that fills a log."""

import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm


class StepBar:
    """A bar over MD steps that is told how far a named run is."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._name = ""

    def __call__(self, name: str, done: int, total: int) -> None:
        """Run ``name`` has done ``done`` of ``total`` steps."""
        if self._bar is None or name != self._name:
            self.close()
            hidden = not sys.stderr.isatty()
            self._bar = tqdm(total=total, desc=f"rollout {name}", unit="step", leave=False, disable=hidden)
            self._name = name
        self._bar.update(done - self._bar.n)
        if done >= total:
            self.close()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say(line: str) -> None:
    """One line of what is happening, shown at once."""
    print(line, flush=True)


def say_diverged(name: str, diverged_at: Mapping[int, int], *, n_replicas: int) -> None:
    """One line on the replicas of run ``name`` that left physics: which, and at which step that was found."""
    if diverged_at:
        found = ", ".join(f"replica {replica} at step {step}" for replica, step in sorted(diverged_at.items()))
        rest = "the rest went on" if len(diverged_at) < n_replicas else "none is left"
        say(f"{name}: {len(diverged_at)} of {n_replicas} replicas diverged and became NaN ({found}); {rest}")
