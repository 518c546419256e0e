"""Injection schedules: the steps after the start of ML that take a Hamiltonian kick.

A schedule counts steps from 0 at the start of ML. Its frequency f is Hamiltonian force calls over steps; n steps take
exactly n f of them wherever that is a whole number (bursts: where the interval between them, length / f, is one too).
"""

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mlmd.errors import ConfigError
from mlmd.propagation.energy_correction import EnergyAnchor, EnergyReference

GOLDEN_RATIO = (math.sqrt(5.0) - 1.0) / 2.0
"""Multiples of it modulo 1 fill the unit interval most evenly."""


class InjectionSchedule(ABC):
    """Answers "is this step Hamiltonian?" and nothing else; it never changes.

    One that adapts returns, at an injection, the schedule that the run continues with.
    """

    adapts = False
    """Whether the schedule depends on the disagreement at injections."""

    @abstractmethod
    def is_hamiltonian(self, step: int) -> bool:
        """Whether step number ``step`` after the start of ML (from 0) takes a Hamiltonian kick."""

    def next_hamiltonian(self, step: int, stop: int) -> int:
        """The first Hamiltonian step from ``step`` on, or ``stop`` where there is none before it."""
        return next((later for later in range(step, stop) if self.is_hamiltonian(later)), stop)

    def adapted(self, step: int, disagreement: float) -> "InjectionSchedule":
        """The schedule after the injection of ``step``, where |u_learned - u_true| / rms |u_true| was found."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """What has been adapted so far, in plain values for a restart file."""
        return {}

    def restored(self, saved: dict[str, Any]) -> "InjectionSchedule":
        """The schedule of which ``to_dict`` wrote ``saved``."""
        return self


class Periodic(InjectionSchedule):
    """Single injections, one an interval: interval i ends with the step at which floor((step + 1) f) becomes i + 1.

    Evenly spaced injections beat with the vibration: they meet nearly the same phase many times in a row, and where
    that is a turning point an energy anchor can do nothing for as long. With a spread, the injection of interval i
    comes earlier by the golden-ratio sequence frac(0.618 i) times the spread, which visits all phases evenly; still
    exactly one an interval.

    Args:
        frequency: f in [0, 1]; 0 never injects, 1 is velocity Verlet.
        spread: part of an interval over which injections are spread, in [0, 1); 0 is evenly spaced.

    Raises:
        ConfigError: a value out of range.

    >>> schedule = Periodic(0.01)
    >>> [step for step in range(300) if schedule.is_hamiltonian(step)]
    [99, 199, 299]
    """

    def __init__(self, frequency: float, *, spread: float = 0.0) -> None:
        self.frequency = _checked_frequency(frequency)
        if not 0.0 <= spread < 1.0:
            raise ConfigError(f"injection.schedule.spread = {spread} must lie in [0, 1)")
        self.spread = spread

    def is_hamiltonian(self, step: int) -> bool:
        """Whether the injection of this step's interval falls on it."""
        return self.frequency > 0 and step == self._injection_of(self._interval(step))

    def next_hamiltonian(self, step: int, stop: int) -> int:
        """The injection of this step's interval, or of the next one."""
        if self.frequency == 0:
            return stop
        interval = self._interval(step)
        injection = self._injection_of(interval)
        return min(stop, injection if injection >= step else self._injection_of(interval + 1))

    def _interval(self, step: int) -> int:
        return step * self.frequency.numerator // self.frequency.denominator

    def _injection_of(self, interval: int) -> int:
        hits, steps = self.frequency.numerator, self.frequency.denominator
        last = -(-(interval + 1) * steps // hits) - 1
        first = -(-interval * steps // hits)
        return last - int(self.spread * (last - first + 1) * math.modf(GOLDEN_RATIO * interval)[0])


class Burst(InjectionSchedule):
    """``length`` Hamiltonian steps in a row, as often as the frequency allows.

    Args:
        frequency: Hamiltonian steps over steps, f in [0, 1].
        length: steps in a burst.

    Raises:
        ConfigError: f outside [0, 1], or a length below 1.

    >>> schedule = Burst(0.1, length=2)
    >>> [step for step in range(40) if schedule.is_hamiltonian(step)]
    [18, 19, 38, 39]
    """

    def __init__(self, frequency: float, *, length: int) -> None:
        self.frequency = _checked_frequency(frequency)
        if length < 1:
            raise ConfigError(f"injection.schedule.length = {length} must be at least 1")
        self.length = length

    def is_hamiltonian(self, step: int) -> bool:
        """Whether the step is one of the last ``length`` of its interval of length / f steps."""
        if self.frequency == 0:
            return False
        interval = max(self.length, math.ceil(self.length / self.frequency))
        return step % interval >= interval - self.length


class Adaptive(InjectionSchedule):
    """The interval doubles while learned and true kick agree within the tolerance, and halves when they do not.

    All replicas of a batch share the interval; the disagreement is the median over replicas.

    Args:
        tolerance: relative disagreement above which the interval is halved; below a quarter of it, it is doubled.
        shortest: least interval in steps; the frequency never exceeds its inverse.
        longest: greatest interval in steps.

    Raises:
        ConfigError: a tolerance that is not positive, or intervals that are not 1 <= shortest <= longest.
    """

    adapts = True

    def __init__(self, *, tolerance: float, shortest: int, longest: int) -> None:
        if not tolerance > 0:
            raise ConfigError(f"injection.schedule.tolerance = {tolerance} must be positive")
        if not 1 <= shortest <= longest:
            raise ConfigError(f"injection.schedule: needs 1 <= shortest <= longest, not {shortest} and {longest}")
        self.tolerance = tolerance
        self.shortest = shortest
        self.longest = longest
        self.interval = shortest
        self.next_step = shortest - 1

    def is_hamiltonian(self, step: int) -> bool:
        """Whether the current interval ends with this step."""
        return step == self.next_step

    def next_hamiltonian(self, step: int, stop: int) -> int:
        """The end of the current interval."""
        return min(stop, self.next_step) if self.next_step >= step else stop

    def adapted(self, step: int, disagreement: float) -> "Adaptive":
        """With the next interval; a disagreement that is not a number counts as too large."""
        interval = self.interval
        if disagreement < 0.25 * self.tolerance:
            interval = min(2 * interval, self.longest)
        elif not disagreement <= self.tolerance:
            interval = max(interval // 2, self.shortest)
        return self.restored({"interval": interval, "next_step": step + interval})

    def to_dict(self) -> dict[str, Any]:
        """The current interval."""
        return {"interval": self.interval, "next_step": self.next_step}

    def restored(self, saved: dict[str, Any]) -> "Adaptive":
        """With a stored interval."""
        restored = copy.copy(self)
        restored.interval, restored.next_step = saved["interval"], saved["next_step"]
        return restored


@dataclass(frozen=True)
class InjectionState:
    """What a run knows of its injections so far; a value that a restart file holds.

    Attributes:
        schedule: the schedule as it has adapted.
        reference: the energy to which an anchor returns.
    """

    schedule: InjectionSchedule
    reference: EnergyReference

    def to_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {"schedule": self.schedule.to_dict(), "anchor": self.reference.to_dict()}


@dataclass(frozen=True)
class Injection:
    """When a Hamiltonian kick is injected, and whether it also corrects the total energy.

    Attributes:
        schedule: at which steps.
        anchor: energy anchor; None for bare force kicks, the preprint's kind.
    """

    schedule: InjectionSchedule
    anchor: EnergyAnchor | None = None

    def init(self) -> InjectionState:
        """The state of a run that begins."""
        return InjectionState(self.schedule, EnergyReference())

    def restored(self, saved: dict[str, Any]) -> InjectionState:
        """The state of which `InjectionState.to_dict` wrote ``saved``."""
        anchor = saved["anchor"]  # None in a run without an anchor
        reference = EnergyReference() if anchor is None else EnergyReference.from_dict(anchor)
        return InjectionState(self.schedule.restored(saved["schedule"]), reference)


def _checked_frequency(frequency: float) -> Fraction:
    if not 0.0 <= frequency <= 1.0:
        raise ConfigError(f"injection.schedule.frequency = {frequency} must lie in [0, 1]")
    exact = Fraction(frequency).limit_denominator(1_000_000)
    if frequency > 0 and exact == 0:
        raise ConfigError(f"injection.schedule.frequency = {frequency} is below 1e-6; use 0 for no injection at all")
    return exact
