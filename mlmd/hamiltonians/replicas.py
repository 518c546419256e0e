"""A level of theory as a Hamiltonian: one calculator for each replica, in this process or shared among others."""

import copy
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlmd.errors import MismatchError
from mlmd.hamiltonians.method import Method
from mlmd.hamiltonians.single_points import LocalPoints, Points
from mlmd.hamiltonians.workers import WorkerPoints


class ReplicaHamiltonian:
    """Forces of a batch by a level of theory; nothing is started before the first call.

    Replica i, the first axis of a batch, has a single point of its own, which starts from its own last density.
    Further axes, such as the times of a run that is judged, go through it in order. A geometry that is no number (a
    replica that has diverged) gives NaN and costs nothing. Copies start afresh: they share no process and no density.

    Args:
        method: level of theory, and how many processes share the replicas. Replica i belongs to process i modulo
            their number, so that results do not depend on it.
        symbols: element symbols.
        energy_zero_eV: what energies are counted from, eV on the method's own scale.

    Attributes:
        seconds: wall-clock time spent in calls.
        n_single_points: geometries computed.
    """

    def __init__(self, method: Method, symbols: Sequence[str], *, energy_zero_eV: float = 0.0) -> None:
        self.method, self.symbols, self.energy_zero_eV = method, tuple(symbols), energy_zero_eV
        self.seconds, self.n_single_points = 0.0, 0
        self._points: Points | None = None
        self._tried_once: Points | None = None

    @property
    def remembers(self) -> bool:
        """Whether last digits depend on the calls before; `forget` makes them repeatable."""
        return self.method.remembers

    def energy_and_forces(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Potential energy (eV, [...]) and forces (eV/A, [..., atom, xyz]) at ``positions`` (A, [..., atom, xyz]).

        Raises:
            CalculatorError: a calculation does not converge, or gives what are no numbers.
            ConfigError: the method does not know the elements, or its package is not installed.
            MismatchError: another number of atoms.
        """
        if self._points is None:
            self._points = self._new_points(self.method)
        return self._energy_and_forces(positions, self._points, stop_at_failure=False)

    def energies_until_failure(self, positions: Tensor) -> Tensor:
        """Potential energy as `energy_and_forces`, of a run that may have diverged: NaN where none is found.

        A calculation that fails is not tried again, and its replica is asked for none of its later geometries.
        """
        if self._tried_once is None:
            method = copy.copy(self.method)
            if hasattr(method, "n_retries"):
                object.__setattr__(method, "n_retries", 0)  # a method may be frozen
            self._tried_once = self._new_points(method)
        return self._energy_and_forces(positions, self._tried_once, stop_at_failure=True)[0]

    def _energy_and_forces(self, positions: Tensor, points: Points, *, stop_at_failure: bool) -> tuple[Tensor, Tensor]:
        began = time.perf_counter()
        n_atoms, leading = len(self.symbols), positions.shape[:-2]
        if positions.shape[-2:] != (n_atoms, 3):
            raise MismatchError(f"positions {tuple(positions.shape)} are not those of {n_atoms} atoms")
        geometries = positions.detach().to("cpu", torch.float64).reshape(-1, n_atoms, 3).numpy()
        energies = np.full(len(geometries), np.nan)
        forces = np.full(geometries.shape, np.nan)
        known = np.flatnonzero(np.isfinite(geometries).all(axis=(1, 2)))
        if len(known):
            n_each = len(geometries) // leading[0] if leading else 1
            replicas = (known // n_each).tolist()
            energies[known], forces[known] = points.compute(
                replicas, np.ascontiguousarray(geometries[known]), stop_at_failure=stop_at_failure
            )
            self.n_single_points += len(replicas)
            energies -= self.energy_zero_eV
        self.seconds += time.perf_counter() - began
        return (
            torch.from_numpy(energies).reshape(leading).to(positions.device),
            torch.from_numpy(forces).reshape(positions.shape).to(positions.device),
        )

    def forget(self) -> None:
        """Drop all remembered densities: what follows then equals, bit for bit, what a new Hamiltonian gives."""
        for points in (self._points, self._tried_once):
            if points is not None:
                points.forget()

    def close(self) -> None:
        """End the processes, if there are any; the next call starts them again. They end with this process anyway."""
        self._points = self._tried_once = None

    def _new_points(self, method: Method) -> Points:
        return (WorkerPoints if method.n_processes > 1 else LocalPoints)(method, self.symbols)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), energy_zero_eV=self.energy_zero_eV), (self.method, self.symbols)
