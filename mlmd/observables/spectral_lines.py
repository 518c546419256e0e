"""Vibrational lines: positions, and amplitudes of their modes.

The position of a line is that of the highest peak near where it is expected: within 15 % or 100 cm^-1, whichever is
more, of the harmonic wavenumber for the reference, and of the reference's own line for a run. Beyond, other modes that
couple to it, overtones and combinations have peaks of their own. A molecule in a Fermi resonance has two peaks of like
height, and which is the higher one may differ between two runs that agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import torch
from torch import Tensor

from mlmd.observables.accumulators import SegmentedSpectrum
from mlmd.observables.dynamics import line_position_cm1, power_spectrum
from mlmd.observables.internal_motion import SpectralLine

WINDOW_SHARE, WINDOW_CM1 = 0.15, 100.0

AT_REST = 1e-6
"""Modes with less than this share of the liveliest ones' kinetic energy are at rest; their spectrum shows others."""


@dataclass(frozen=True)
class LineSpectra:
    """Spectra of a run, line by line.

    Attributes:
        wavenumbers: [n], cm^-1.
        power: mean over the modes of a line and over replicas [line, n], rate unit squared per cm^-1.
        squares: mean square of the rates, added up over the modes of a line [line].
    """

    wavenumbers: Tensor
    power: Tensor
    squares: Tensor

    def total(self, lines: Sequence[SpectralLine]) -> Tensor:
        """Power of all modes together [n]."""
        counts = torch.tensor([len(line.modes) for line in lines], dtype=self.power.dtype)
        return counts @ self.power


@dataclass(frozen=True)
class LineShift:
    """A line of a run and of its reference, cm^-1; NaN where the modes are at rest.

    Attributes:
        position_cm1: of the run.
        reference_cm1: of the reference, of the same replicas.
    """

    position_cm1: float
    reference_cm1: float

    @property
    def shift_cm1(self) -> float:
        """Of the run against its reference."""
        return self.position_cm1 - self.reference_cm1


def line_spectra(rates: Tensor, lines: Sequence[SpectralLine], frame_dt_fs: float) -> LineSpectra:
    """Spectra of the rates of all modes [replica, time, mode], see `dynamics.power_spectrum`."""
    found = [power_spectrum(_series(rates, line), frame_dt_fs) for line in lines]
    squares = torch.stack([rates[..., list(line.modes)].square().sum(dim=-1).mean() for line in lines])
    return LineSpectra(found[0][0], torch.stack([power for _, power in found]), squares)


class LineSpectraAccumulator:
    """The same of a run that is read stretch by stretch, up to segments; see `accumulators.SegmentedSpectrum`.

    Args:
        lines: of the motion.
        n_frames: of the run.
        frame_dt_fs: time between two frames.
    """

    def __init__(self, lines: Sequence[SpectralLine], n_frames: int, frame_dt_fs: float) -> None:
        self._lines = lines
        self._spectra = [SegmentedSpectrum(n_frames, frame_dt_fs) for _ in lines]
        self._squares = torch.zeros(len(lines), dtype=torch.float64)
        self._count = 0

    def update(self, rates: Tensor) -> None:
        """Take a stretch of some replicas [replica, time, mode]."""
        self._count += rates.shape[0] * rates.shape[1]
        for index, (line, spectrum) in enumerate(zip(self._lines, self._spectra, strict=True)):
            series = _series(rates, line)
            spectrum.update(series)
            self._squares[index] += series.square().sum()

    def end_run(self) -> None:
        """The replicas have been seen to their last frame; others may follow."""
        for spectrum in self._spectra:
            spectrum.end_run()

    def result(self) -> LineSpectra:
        """Of all replicas seen."""
        found = [spectrum.result() for spectrum in self._spectra]
        return LineSpectra(found[0][0], torch.stack([power for _, power in found]), self._squares / self._count)


def reference_lines(spectra: LineSpectra, lines: Sequence[SpectralLine]) -> list[float]:
    """Positions of the lines of a reference, cm^-1; NaN where the modes are at rest."""
    at_rest = (spectra.squares <= AT_REST * spectra.squares.max()).tolist()
    return [
        nan if still else line_position_cm1(spectra.wavenumbers, power, within=_window(line.harmonic_cm1))
        for line, power, still in zip(lines, spectra.power, at_rest, strict=True)
    ]


def line_shifts(spectra: LineSpectra, spectra_ref: LineSpectra, lines: Sequence[SpectralLine]) -> list[LineShift]:
    """Every line of a run against that of its reference."""
    shifts = []
    for line, power, near in zip(lines, spectra.power, reference_lines(spectra_ref, lines), strict=True):
        if line.harmonic_cm1 is None:
            position = line_position_cm1(spectra.wavenumbers, power)
        else:
            position = line_position_cm1(spectra.wavenumbers, power, within=_window(near)) if isfinite(near) else nan
        shifts.append(LineShift(position, near))
    return shifts


def largest_shift_cm1(shifts: Sequence[LineShift]) -> float:
    """The signed shift that is largest in size; NaN where no line is there in both."""
    known = [each.shift_cm1 for each in shifts if isfinite(each.shift_cm1)]
    return max(known, key=abs, default=nan)


def kinetic_error_worst(spectra: LineSpectra, spectra_ref: LineSpectra) -> float:
    """Largest relative error of the mean kinetic energy of a line's modes, but for those at rest in the reference."""
    moving = spectra_ref.squares > AT_REST * spectra_ref.squares.max()
    errors = (spectra.squares / spectra_ref.squares - 1.0).abs()[moving]
    return float(errors.max()) if errors.numel() else nan


def _series(rates: Tensor, line: SpectralLine) -> Tensor:
    """The rates of a line's modes one below the other [replica * mode, time]."""
    return rates[..., list(line.modes)].transpose(1, 2).flatten(0, 1)


def _window(centre_cm1: float | None) -> tuple[float, float] | None:
    if centre_cm1 is None:
        return None
    half = max(WINDOW_SHARE * centre_cm1, WINDOW_CM1)
    return centre_cm1 - half, centre_cm1 + half
