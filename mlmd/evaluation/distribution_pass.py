"""The second reading: distributions and spectra, which need the survivors and the range of the bonds beforehand."""

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
    """Reads everything once more.

    Args:
        reading: runs and reference.
        first: what the first reading found.
        motion: what of the molecule is watched.

    Attributes:
        edges: of the bins of the bond lengths, A.
        counts_ref: of the reference [bin].
        counts: by run.
        distances: by run with survivors, between the bond lengths of the survivors and of their reference.
        spectrum_ref: of all replicas of the reference.
        spectra: by run with survivors, of the survivors and of their reference.
    """

    def __init__(self, reading: ChunkedFrames, first: PerReplicaPass, motion: InternalMotion) -> None:
        self._motion = motion
        self.edges = bond_edges(*first.bond_range(None))
        self.counts_ref = torch.zeros(len(self.edges) - 1, dtype=torch.float64)
        self.counts = {name: torch.zeros_like(self.counts_ref) for name in reading.runs}
        self.spectrum_ref = self._new_spectra(reading)
        self.distances: dict[str, SampleDistance] = {}
        self.spectra: dict[str, tuple[LineSpectraAccumulator, LineSpectraAccumulator]] = {}
        for name in reading.runs:
            n_survivors = first.n_survivors(name)
            if n_survivors:
                self.distances[name] = SampleDistance(
                    n_survivors * reading.n_frames * motion.n_bonds, *first.bond_range(name)
                )
                # All replicas of the reference are transformed anyway.
                all_survived = n_survivors == reading.reference.n_replicas
                of_true = self.spectrum_ref if all_survived else self._new_spectra(reading)
                self.spectra[name] = (self._new_spectra(reading), of_true)
        for index, group in enumerate(reading.groups()):
            kept = {name: first.survived[name][index] for name in self.distances}
            rates = {name: motion.follow() for name in (None, *kept)}
            for true, runs in reading.stretches(group):
                self._take(true, runs, kept, rates)
            for spectrum in self._all_spectra():
                spectrum.end_run()

    def _take(
        self,
        true: Trajectory,
        runs: Mapping[str, Trajectory],
        kept: Mapping[str, Tensor],
        rates: Mapping[str | None, Rates],
    ) -> None:
        lengths_ref = self._motion.lengths(true.positions)
        rate_ref = rates[None](true.positions, true.velocities)
        self.counts_ref += torch.histogram(lengths_ref.flatten(), self.edges).hist
        self.spectrum_ref.update(rate_ref)
        for name, run in runs.items():
            lengths = self._motion.lengths(run.positions)
            self.counts[name] += torch.histogram(lengths[lengths.isfinite()], self.edges).hist
            if name in kept and bool(kept[name].any()):
                rows = kept[name]
                self.distances[name].update(lengths[rows], lengths_ref[rows])
                spectrum, of_true = self.spectra[name]
                spectrum.update(rates[name](run.positions[rows], run.velocities[rows]))
                if of_true is not self.spectrum_ref:
                    of_true.update(rate_ref[rows])

    def _new_spectra(self, reading: ChunkedFrames) -> LineSpectraAccumulator:
        return LineSpectraAccumulator(self._motion.lines, reading.n_frames, reading.frame_dt_fs)

    def _all_spectra(self) -> list[LineSpectraAccumulator]:
        return [self.spectrum_ref, *(each for pair in self.spectra.values() for each in pair)]
