"""The second reading: distributions and spectra, which need the survivors and the range of the bonds beforehand."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mlmd.observables import dynamics, structure
from mlmd.observables.accumulators import SampleDistance, SegmentedSpectrum
from mlmd.observables.curves import bond_edges
from mlmd.observables.first_reading import FirstReading
from mlmd.observables.reading import Reading
from mlmd.state import Trajectory


class SecondReading:
    """Reads everything once more.

    Args:
        reading: runs and reference.
        first: what the first reading found.

    Attributes:
        edges: of the bins of the bond length, A.
        counts_ref: of the reference [bin].
        counts: by run.
        distances: by run with survivors, between the bond lengths of the survivors and of their reference.
        spectrum_ref: of all replicas of the reference.
        spectra: by run with survivors, of the survivors and of their reference.
    """

    def __init__(self, reading: Reading, first: FirstReading) -> None:
        self.edges = bond_edges(*first.bond_range(None))
        self.counts_ref = torch.zeros(len(self.edges) - 1, dtype=torch.float64)
        self.counts = {name: torch.zeros_like(self.counts_ref) for name in reading.runs}
        self.spectrum_ref = SegmentedSpectrum(reading.n_frames, reading.frame_dt_fs)
        self.distances: dict[str, SampleDistance] = {}
        self.spectra: dict[str, tuple[SegmentedSpectrum, SegmentedSpectrum]] = {}
        for name in reading.runs:
            n_survivors = first.n_survivors(name)
            if n_survivors:
                self.distances[name] = SampleDistance(n_survivors * reading.n_frames, *first.bond_range(name))
                # All replicas of the reference are transformed anyway.
                of_true = SegmentedSpectrum(reading.n_frames, reading.frame_dt_fs)
                self.spectra[name] = (
                    SegmentedSpectrum(reading.n_frames, reading.frame_dt_fs),
                    self.spectrum_ref if n_survivors == reading.reference.n_replicas else of_true,
                )
        for index, group in enumerate(reading.groups()):
            kept = {name: first.survived[name][index] for name in self.distances}
            for true, runs in reading.stretches(group):
                self._take(true, runs, kept)
            for spectrum in self._all_spectra():
                spectrum.end_run()

    def _take(self, true: Trajectory, runs: Mapping[str, Trajectory], kept: Mapping[str, Tensor]) -> None:
        lengths_ref, rate_ref = _bond(true)
        self.counts_ref += torch.histogram(lengths_ref.flatten(), self.edges).hist
        self.spectrum_ref.update(rate_ref)
        for name, run in runs.items():
            lengths, rate = _bond(run)
            self.counts[name] += torch.histogram(lengths[lengths.isfinite()], self.edges).hist
            if name in kept and bool(kept[name].any()):
                rows = kept[name]
                self.distances[name].update(lengths[rows], lengths_ref[rows])
                spectrum, of_true = self.spectra[name]
                spectrum.update(rate[rows])
                if of_true is not self.spectrum_ref:
                    of_true.update(rate_ref[rows])

    def _all_spectra(self) -> list[SegmentedSpectrum]:
        return [self.spectrum_ref, *(each for pair in self.spectra.values() for each in pair)]


def _bond(frames: Trajectory) -> tuple[Tensor, Tensor]:
    """Bond length, A, and its rate, A/fs, both [replica, time]."""
    return structure.bond_lengths(frames.positions), dynamics.bond_velocity(frames.positions, frames.velocities)
