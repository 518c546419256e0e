"""Second pass over runs and their reference: bond length distributions and spectra.

Both need results of the first pass: which replicas survived, and the range of the bond lengths.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mlmd.evaluation.chunked_frames import ChunkedFrames
from mlmd.evaluation.curves import bond_edges
from mlmd.evaluation.per_replica_pass import PerReplicaPass
from mlmd.observables.accumulators import SampleDistance
from mlmd.observables.internal_motion import InternalMotion, Rates
from mlmd.observables.spectral_lines import LineSpectraAccumulator
from mlmd.state import Trajectory


class DistributionPass:
    """Reads all frames a second time and collects distributions and spectra.

    Args:
        chunked: runs and reference.
        per_replica: results of the first pass.
        motion: bonds and rates of the molecule.

    Attributes:
        edges: edges of the bins of bond lengths [bin + 1], A.
        counts_ref: number of bond lengths of the reference in each bin [bin].
        counts: the same by run.
        distances: distance between the bond lengths of a run's survivors and those of their reference, by run with
            survivors.
        spectrum_ref: spectra of all replicas of the reference.
        spectra: spectra of a run's survivors and of their reference, by run with survivors.
    """

    def __init__(self, chunked: ChunkedFrames, per_replica: PerReplicaPass, motion: InternalMotion) -> None:
        self._motion = motion
        self.edges = bond_edges(*per_replica.bond_range(None))
        self.counts_ref = torch.zeros(len(self.edges) - 1, dtype=torch.float64)
        self.counts = {name: torch.zeros_like(self.counts_ref) for name in chunked.runs}
        self.spectrum_ref = self._new_spectra(chunked)
        self.distances: dict[str, SampleDistance] = {}
        self.spectra: dict[str, tuple[LineSpectraAccumulator, LineSpectraAccumulator]] = {}
        for name in chunked.runs:
            n_survivors = per_replica.n_survivors(name)
            if n_survivors:
                self.distances[name] = SampleDistance(
                    n_survivors * chunked.n_frames * motion.n_bonds, *per_replica.bond_range(name)
                )
                # The spectra of all replicas of the reference are computed anyway.
                all_survived = n_survivors == chunked.reference.n_replicas
                of_reference = self.spectrum_ref if all_survived else self._new_spectra(chunked)
                self.spectra[name] = (self._new_spectra(chunked), of_reference)
        for index, group in enumerate(chunked.groups()):
            kept = {name: per_replica.survived[name][index] for name in self.distances}
            rates = {name: motion.follow() for name in (None, *kept)}
            for reference, runs in chunked.chunks(group):
                self._update(reference, runs, kept, rates)
            for spectrum in self._all_spectra():
                spectrum.end_run()

    def _update(
        self,
        reference: Trajectory,
        runs: Mapping[str, Trajectory],
        kept: Mapping[str, Tensor],
        rates: Mapping[str | None, Rates],
    ) -> None:
        lengths_ref = self._motion.lengths(reference.positions)
        rate_ref = rates[None](reference.positions, reference.velocities)
        self.counts_ref += torch.histogram(lengths_ref.flatten(), self.edges).hist
        self.spectrum_ref.update(rate_ref)
        for name, run in runs.items():
            lengths = self._motion.lengths(run.positions)
            self.counts[name] += torch.histogram(lengths[lengths.isfinite()], self.edges).hist
            if name in kept and bool(kept[name].any()):
                rows = kept[name]
                self.distances[name].update(lengths[rows], lengths_ref[rows])
                spectrum, of_reference = self.spectra[name]
                spectrum.update(rates[name](run.positions[rows], run.velocities[rows]))
                if of_reference is not self.spectrum_ref:
                    of_reference.update(rate_ref[rows])

    def _new_spectra(self, chunked: ChunkedFrames) -> LineSpectraAccumulator:
        return LineSpectraAccumulator(self._motion.lines, chunked.n_frames, chunked.frame_dt_fs)

    def _all_spectra(self) -> list[LineSpectraAccumulator]:
        return [self.spectrum_ref, *(each for pair in self.spectra.values() for each in pair)]
