"""A stopwatch of nested parts: every part has the time that no part inside it has."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """Wall-clock and processor time by part; a part that is ``whole`` keeps the time of the parts inside it.

    Args:
        whole: parts that are not taken apart.
    """

    def __init__(self, *, whole: frozenset[str] = frozenset()) -> None:
        self.whole = whole
        self.wall_s: dict[str, float] = defaultdict(float)
        self.cpu_s: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = (0.0, 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What runs inside belongs to this part."""
        if self._running and self._running[-1] in self.whole and name not in self.whole:
            yield
            return
        self._charge()
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def times(self, owner: Any, method: str, name: str) -> None:
        """Every call of a method is a part from now on."""
        function = getattr(owner, method)

        @functools.wraps(function)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            with self.part(name):
                return function(*arguments, **keywords)

        setattr(owner, method, timed)

    def times_items(self, owner: type, name: str) -> None:
        """Every item that instances of a class yield is a part from now on."""
        iterate: Callable[[Any], Iterator[Any]] = owner.__iter__

        def timed(instance: Any) -> Iterator[Any]:
            items = iterate(instance)
            while True:
                with self.part(name):
                    item = next(items, self)
                if item is self:
                    return
                yield item

        owner.__iter__ = timed

    def _charge(self) -> None:
        now = (time.perf_counter(), time.process_time())
        if self._running:
            self.wall_s[self._running[-1]] += now[0] - self._since[0]
            self.cpu_s[self._running[-1]] += now[1] - self._since[1]
        self._since = now
