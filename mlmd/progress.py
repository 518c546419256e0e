"""Progress on the terminal: one bar at a time, removed when done; no bars without a terminal."""

import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm


class StepBar:
    """A progress bar over the MD steps of named runs."""

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


class PhaseLine:
    """A bar for a run in phases, with what counts at the moment behind it; without a terminal, a line now and then.

    Args:
        n_steps: MD steps in all.
    """

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self._bar: Any = None
        self._told_tenth = -1

    def __call__(
        self,
        phase: str,
        step: int,
        *,
        frequency: float,
        energy_excess: float | None,
        speed_up: float,
        news: str | None,
    ) -> None:
        """Show where the run is.

        Args:
            phase: in a word.
            step: MD steps done.
            frequency: force calls over steps since ML took over; NaN before.
            energy_excess: relative, at the last injection; None before the first.
            speed_up: so far.
            news: what has just happened; None for nothing.
        """
        words = [f"f {frequency:.3g}"] if frequency == frequency else []
        words += [] if energy_excess is None else [f"energy {100 * energy_excess:+.2g} %"]
        words.append(f"speed-up {speed_up:.3g}")
        if news is not None:
            self.say(news)
        if sys.stderr.isatty():
            self._bar = self._bar or tqdm(total=self._n_steps, unit="step", leave=False)
            self._bar.set_description_str(phase, refresh=False)
            self._bar.set_postfix_str(", ".join(words), refresh=False)
            self._bar.update(step - self._bar.n)
            return
        tenth = 10 * step // self._n_steps
        if news is not None or tenth > self._told_tenth:
            self._told_tenth = tenth
            say(f"step {step:,} of {self._n_steps:,}: {phase}, {', '.join(words)}")

    def say(self, line: str) -> None:
        """One line above the bar."""
        if self._bar is not None:
            self._bar.clear()
        say(line)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say(line: str) -> None:
    """One line of what is happening, shown at once."""
    print(line, flush=True)


def say_diverged(name: str, diverged_at: Mapping[int, int], *, n_replicas: int) -> None:
    """One line on the replicas of run ``name`` that diverged: which, and at which step that was found."""
    if diverged_at:
        found = ", ".join(f"replica {replica} at step {step}" for replica, step in sorted(diverged_at.items()))
        rest = "the rest went on" if len(diverged_at) < n_replicas else "none is left"
        say(f"{name}: {len(diverged_at)} of {n_replicas} replicas diverged and became NaN ({found}); {rest}")
