"""Shows progress on the terminal: one bar at a time, which is removed at the end; no bar without a terminal."""

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
    """A bar for a run in phases, with the present values beside it; without a terminal, a line at every tenth of it.

    Args:
        n_steps: total number of MD steps.
    """

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self._bar: Any = None
        self._printed_tenth = -1

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
        """Show the progress of the run.

        Args:
            phase: name of the present phase.
            step: number of MD steps taken.
            frequency: force calls per step since ML took over; NaN before.
            energy_excess: relative energy error at the last injection; None before the first.
            speed_up: speed-up so far.
            news: line on an event since the last call; None for no event.
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
        if news is not None or tenth > self._printed_tenth:
            self._printed_tenth = tenth
            say(f"step {step:,} of {self._n_steps:,}: {phase}, {', '.join(words)}")

    def say(self, line: str) -> None:
        """Print one line above the bar."""
        if self._bar is not None:
            self._bar.clear()
        say(line)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def say(line: str) -> None:
    """Print one line at once, without buffering."""
    print(line, flush=True)


def say_diverged(name: str, diverged_at: Mapping[int, int], *, n_replicas: int) -> None:
    """Print one line on the diverged replicas of run ``name``, with the step at which each was found to diverge."""
    if diverged_at:
        found = ", ".join(f"replica {replica} at step {step}" for replica, step in sorted(diverged_at.items()))
        rest = "the rest went on" if len(diverged_at) < n_replicas else "none is left"
        say(f"{name}: {len(diverged_at)} of {n_replicas} replicas diverged and became NaN ({found}); {rest}")
