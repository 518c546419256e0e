"""The first reading of runs and their reference: what can be said of each replica by itself."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mlmd.errors import CalculatorError, DataError
from mlmd.evaluation.chunked_frames import ChunkedFrames
from mlmd.evaluation.replica_statistics import EvaluationPlan, ReferenceStatistics, ReplicaStatistics, RunStatistics

AnyStatistics = TypeVar("AnyStatistics", bound=ReplicaStatistics)

Potential = Callable[[Tensor], Tensor]
"""Potential energy [replica, time], eV, from the minimum, of positions [replica, time, atom, xyz], A.

Of positions that are no numbers it gives none; where it cannot tell an energy it may raise `CalculatorError`."""


def energies_of(potential: Potential, positions: Tensor) -> Tensor:
    """Energies of a run that may be lost: no number where the potential cannot tell one.

    Args:
        potential: whose.
        positions: [replica, time, atom, xyz], A.

    Returns:
        [replica, time], eV.
    """
    try:
        return potential(positions)
    except CalculatorError:
        # Atoms that bad kicks have thrown on each other: of one geometry after the other, those that can be told are.
        energies = torch.full_like(positions[..., 0, 0], torch.nan)
        for replica, frame in np.ndindex(*energies.shape):
            with suppress(CalculatorError):
                energies[replica, frame] = potential(positions[replica : replica + 1, frame : frame + 1])[0, 0]
        return energies


class PerReplicaPass:
    """Reads everything once.

    Args:
        reading: runs and reference.
        judging: what is known beforehand.
        potential: energies that only judge.

    Attributes:
        true: tallies of the reference by group of replicas.
        runs: by run, likewise.
        survived: by run, likewise, which replicas did.
        correlation_ref: sum over all replicas.
        correlations: by run, sums over the survivors, of the run and of the reference.

    Raises:
        DataError: the reference is not finite, or frames do not fit together.
    """

    def __init__(self, reading: ChunkedFrames, judging: EvaluationPlan, potential: Potential) -> None:
        self.true: list[ReferenceStatistics] = []
        self.runs: dict[str, list[RunStatistics]] = {name: [] for name in reading.runs}
        nothing = torch.zeros(judging.n_lags, dtype=torch.float64)
        self.correlation_ref = nothing
        self.correlations = dict.fromkeys(reading.runs, (nothing, nothing))
        for group in reading.groups():
            n_replicas = group.stop - group.start
            of_true = ReferenceStatistics(judging, n_replicas)
            of_runs = {name: RunStatistics(judging, n_replicas) for name in reading.runs}
            seen = 0
            for true, runs in reading.stretches(group):
                with_energy = judging.sampling.within(seen)
                seen += len(true)
                of_true.update(true, potential(true.positions[:, with_energy]))
                for name, frames in runs.items():
                    of_runs[name].update(frames, energies_of(potential, frames.positions[:, with_energy]))
            self._close_group(of_true, of_runs)
        self.survived = {name: [each.survived for each in groups] for name, groups in self.runs.items()}

    def _close_group(self, of_true: ReferenceStatistics, of_runs: Mapping[str, RunStatistics]) -> None:
        if not bool(of_true.survived.all()):
            raise DataError("the reference holds frames that are not finite; shorten dt_fs or lower its energy")
        self.true.append(of_true)
        correlation_ref = of_true.take_correlation()
        self.correlation_ref = self.correlation_ref + correlation_ref.sum(dim=0)
        for name, run in of_runs.items():
            self.runs[name].append(run)
            kept, (sums, sums_ref) = run.survived, self.correlations[name]
            self.correlations[name] = (
                sums + run.take_correlation()[kept].sum(dim=0),
                sums_ref + correlation_ref[kept].sum(dim=0),
            )

    def n_survivors(self, name: str) -> int:
        """Replicas of a run that survived."""
        return sum(int(kept.sum()) for kept in self.survived[name])

    def of_survivors(self, name: str, groups: list[AnyStatistics], value: Callable[[AnyStatistics], Tensor]) -> Tensor:
        """One number of every replica that survived."""
        return torch.cat([value(group)[kept] for group, kept in zip(groups, self.survived[name], strict=True)])

    def bond_range(self, name: str | None) -> tuple[float, float]:
        """Shortest and longest bond of the reference (None), or of a run's survivors and the reference together."""
        lengths = [group.lengths for group in self.true]
        lowest = min(float(group.lowest.min()) for group in lengths)
        highest = max(float(group.highest.max()) for group in lengths)
        if name is not None:
            groups = self.runs[name]
            lowest = min(lowest, float(self.of_survivors(name, groups, lambda each: each.lengths.lowest).min()))
            highest = max(highest, float(self.of_survivors(name, groups, lambda each: each.lengths.highest).max()))
        return lowest, highest
