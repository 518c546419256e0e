"""First pass over runs and their reference: statistics of each replica by itself."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from mlmd.errors import DataError
from mlmd.evaluation.chunked_frames import ChunkedFrames
from mlmd.evaluation.evaluation_plan import EvaluationPlan
from mlmd.evaluation.replica_statistics import ReferenceStatistics, ReplicaStatistics, RunStatistics

AnyStatistics = TypeVar("AnyStatistics", bound=ReplicaStatistics)

Potential = Callable[[Tensor], Tensor]
"""Potential energy above the minimum [replica, time], eV, of positions [replica, time, atom, xyz], A.

It returns NaN for positions that are not finite."""


class PerReplicaPass:
    """Reads all frames once and collects the statistics of every replica.

    Args:
        chunked: runs and reference.
        plan: what is fixed beforehand.
        potential: potential energies of the reference; these evaluations are not counted as force calls.
        run_potential: potential energies of the runs, NaN where none is found; by default ``potential``.

    Attributes:
        reference: statistics of the reference, one entry per group of replicas.
        runs: statistics by run, one entry per group.
        survived: masks of the replicas that survived, by run, one entry per group.
        correlation_ref: velocity autocorrelation function of the reference, summed over all replicas [lag].
        correlations: the function of each run and of its reference, summed over the replicas that survived.

    Raises:
        DataError: the reference is not finite, or runs and reference do not fit together.
    """

    def __init__(
        self, chunked: ChunkedFrames, plan: EvaluationPlan, potential: Potential, run_potential: Potential | None
    ) -> None:
        self.reference: list[ReferenceStatistics] = []
        self.runs: dict[str, list[RunStatistics]] = {name: [] for name in chunked.runs}
        nothing = torch.zeros(plan.n_lags, dtype=torch.float64)
        self.correlation_ref = nothing
        self.correlations = dict.fromkeys(chunked.runs, (nothing, nothing))
        for group in chunked.groups():
            n_replicas = group.stop - group.start
            of_reference = ReferenceStatistics(plan, n_replicas)
            of_runs = {name: RunStatistics(plan, n_replicas) for name in chunked.runs}
            n_seen = 0
            for reference, runs in chunked.chunks(group):
                with_energy = plan.sampling.within(n_seen)
                n_seen += len(reference)
                of_reference.update(reference, potential(reference.positions[:, with_energy]))
                for name, frames in runs.items():
                    positions = frames.positions[:, with_energy]
                    if run_potential is None:
                        energies = potential(positions)
                    else:  # a replica that is lost needs no more of its energies, which may be hard to find
                        lost = ~of_runs[name].survived[:, None, None, None]
                        energies = run_potential(positions.masked_fill(lost, torch.nan))
                    of_runs[name].update(frames, energies)
            self._close_group(of_reference, of_runs)
        self.survived = {name: [each.survived for each in groups] for name, groups in self.runs.items()}

    def _close_group(self, of_reference: ReferenceStatistics, of_runs: Mapping[str, RunStatistics]) -> None:
        if not bool(of_reference.survived.all()):
            raise DataError("the reference holds frames that are not finite; shorten dt_fs or lower its energy")
        self.reference.append(of_reference)
        correlation_ref = of_reference.take_correlation()
        self.correlation_ref = self.correlation_ref + correlation_ref.sum(dim=0)
        for name, run in of_runs.items():
            self.runs[name].append(run)
            kept, (sums, sums_ref) = run.survived, self.correlations[name]
            self.correlations[name] = (
                sums + run.take_correlation()[kept].sum(dim=0),
                sums_ref + correlation_ref[kept].sum(dim=0),
            )

    def n_survivors(self, name: str) -> int:
        """Number of replicas of a run that survived."""
        return sum(int(kept.sum()) for kept in self.survived[name])

    def of_survivors(self, name: str, groups: list[AnyStatistics], value: Callable[[AnyStatistics], Tensor]) -> Tensor:
        """Concatenates one number per surviving replica over all groups [survivor].

        Args:
            name: run that defines the survivors.
            groups: statistics of each group, of the run or of its reference.
            value: number per replica [replica], taken from the statistics of a group.
        """
        return torch.cat([value(group)[kept] for group, kept in zip(groups, self.survived[name], strict=True)])

    def bond_range(self, name: str | None) -> tuple[float, float]:
        """Shortest and longest bond, A, of the reference (None) or of the reference and a run's survivors together."""
        lengths = [group.lengths for group in self.reference]
        lowest = min(float(group.lowest.min()) for group in lengths)
        highest = max(float(group.highest.max()) for group in lengths)
        if name is not None:
            groups = self.runs[name]
            lowest = min(lowest, float(self.of_survivors(name, groups, lambda each: each.lengths.lowest).min()))
            highest = max(highest, float(self.of_survivors(name, groups, lambda each: each.lengths.highest).max()))
        return lowest, highest
