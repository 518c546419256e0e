"""Levels of theory: what computes forces for one geometry at a time, and says so to whoever builds a system."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class SinglePoint(Protocol):
    """Energy and forces of one geometry after the other; it may remember what makes the next one cheaper."""

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Energy, eV, and forces [atom, xyz], eV/A, at positions [atom, xyz], A.

        Raises:
            CalculatorError: it does not converge, or gives what are no numbers.
        """
        ...

    def forget(self) -> None:
        """Drop what is remembered, so that the next call does not depend on those before."""
        ...


class Method(ABC):
    """A level of theory; with atoms it becomes a Hamiltonian. Plain values that another process can be sent.

    Attributes:
        name: for reports, such as "GFN2-xTB" or "B3LYP/def2-SVP".
        n_processes: processes that share the replicas of a batch.
    """

    name: str
    n_processes: int

    @abstractmethod
    def single_point(self, symbols: tuple[str, ...]) -> SinglePoint:
        """A fresh calculator for atoms of these elements.

        Raises:
            ConfigError: the package that computes is not installed (the extra is named), or it does not know an
                element, a method or a basis.
        """
