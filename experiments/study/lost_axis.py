"""A logarithmic axis of errors with a row at its top for runs that lost their replicas, whose error is infinite."""

import math
from collections.abc import Iterable

from matplotlib.axes import Axes

LEAST = 1e-16
"""Where an error of zero is drawn."""


class LostAxis:
    """Where errors go on a logarithmic axis.

    Args:
        values: all errors that the axes will show.

    >>> axis = LostAxis([1e-3, 2.0, math.inf])
    >>> axis.level, axis.place(0.5), axis.place(math.inf)
    (100.0, 0.5, 100.0)
    """

    def __init__(self, values: Iterable[float]) -> None:
        given = list(values)
        finite = [value for value in given if math.isfinite(value)]
        self.has_lost = len(finite) < len(given)
        self.level = 10.0 ** (math.ceil(math.log10(max([*finite, LEAST]))) + 1) if finite else 1.0

    def place(self, value: float) -> float:
        """The error as it is drawn."""
        return max(value, LEAST) if math.isfinite(value) else self.level

    def dress(self, axes: Axes, *, word: str = "lost") -> None:
        """Make the vertical axis logarithmic and name the row of what is lost."""
        axes.set_yscale("log")
        if not self.has_lost:
            return
        axes.axhline(self.level, color="0.75", linewidth=0.8, linestyle=":")
        low = axes.get_ylim()[0]
        low = low if low > 0.0 else self.level / 1e3
        axes.set_ylim(low, self.level * 2.5)
        decades = range(math.ceil(math.log10(low)), round(math.log10(self.level)))
        shown = [10.0**power for power in decades][:: max(1, len(decades) // 5)]
        axes.set_yticks([*shown, self.level], [*(f"$10^{{{round(math.log10(tick))}}}$" for tick in shown), word])
        axes.minorticks_off()
