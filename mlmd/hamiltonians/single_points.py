"""Many geometries, each by the single point of its replica."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mlmd.errors import CalculatorError
from mlmd.hamiltonians.method import Array, Method, SinglePoint


class Points(Protocol):
    """Computes many geometries, each by the single point of its replica."""

    def compute(
        self, replicas: Sequence[int], positions: Array, *, stop_at_failure: bool = False
    ) -> tuple[Array, Array]:
        """Energies [geometry] and forces [geometry, atom, xyz] at positions [geometry, atom, xyz].

        With ``stop_at_failure`` they are NaN from a replica's first geometry on whose calculation fails.
        """
        ...

    def forget(self) -> None:
        """Drop what every single point remembers."""
        ...


class LocalPoints:
    """Single points of this process, made when their replica is first met."""

    def __init__(self, method: Method, symbols: tuple[str, ...]) -> None:
        self.method, self.symbols = method, symbols
        self._points: dict[int, SinglePoint] = {}

    def compute(
        self, replicas: Sequence[int], positions: Array, *, stop_at_failure: bool = False
    ) -> tuple[Array, Array]:
        """Energies and forces, one geometry after the other.

        Raises:
            CalculatorError: one of them fails; its replica is named.
        """
        energies, forces = np.full(len(replicas), np.nan), np.full_like(positions, np.nan)
        lost: set[int] = set()
        for index, replica in enumerate(replicas):
            if replica in lost:
                continue
            if replica not in self._points:
                self._points[replica] = self.method.single_point(self.symbols)
            try:
                energies[index], forces[index] = self._points[replica](positions[index])
            except CalculatorError as error:
                if stop_at_failure:
                    lost.add(replica)
                    continue
                where = f"replica {replica}: " if len(replicas) > 1 else ""
                raise CalculatorError(f"{where}{error}") from error
        return energies, forces

    def forget(self) -> None:
        """Drop what every single point remembers."""
        for point in self._points.values():
            point.forget()
