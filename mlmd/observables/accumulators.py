"""Running sums for observables of a run that is read in chunks; their size is known beforehand.

The functions in `energy`, `structure` and `dynamics` define the observables; these give their values to round-off.
Stretches are [replica, time], in order; replicas stay apart.
"""

import torch
from torch import Tensor

from mlmd.observables.dynamics import fft_length, power_spectrum
from mlmd.observables.structure import wasserstein_distance

MAX_WINDOWS = 1000
"""Windows of the energy error that are kept for a figure; of a longer run every k-th."""

SEGMENT_FRAMES = 131_072
"""Longest series of one spectrum. A longer run is the mean over segments of this length (Welch, IEEE Trans. Audio
Electroacoust. 15, 70 (1967)) that end with the last frame; what is left at the start is in none."""

EXACT_VALUES = 1_000_000
"""Two samples of at most so many values are compared exactly, larger ones through their histograms."""

N_BINS = 2**20


class Moments:
    """Mean and variance along a run (Chan, Golub and LeVeque, Am. Stat. 37, 242 (1983)), with its extremes.

    Args:
        n_replicas: rows.

    Attributes:
        count: values in every row.
        mean: [replica].
        lowest: [replica]; NaN where a value is.
        highest: [replica]; NaN where a value is.
    """

    def __init__(self, n_replicas: int) -> None:
        self.count = 0
        self.mean = torch.zeros(n_replicas, dtype=torch.float64)
        self.lowest = torch.full_like(self.mean, torch.inf)
        self.highest = torch.full_like(self.mean, -torch.inf)
        self._squares = torch.zeros_like(self.mean)

    def update(self, values: Tensor) -> None:
        """Take a stretch [replica, time]."""
        n, mean = values.shape[1], values.mean(dim=1)
        total = self.count + n
        step = mean - self.mean
        self._squares += (values - mean.unsqueeze(1)).square().sum(dim=1) + step.square() * (self.count * n / total)
        self.mean = self.mean + step * (n / total)
        self.count = total
        self.lowest = torch.minimum(self.lowest, values.amin(dim=1))
        self.highest = torch.maximum(self.highest, values.amax(dim=1))

    @property
    def variance(self) -> Tensor:
        """Mean square deviation from the mean [replica]."""
        return self._squares / self.count


class WindowMeans:
    """Means over consecutive windows that end with the last frame, see `energy.energy_error_along`.

    Of more than `MAX_WINDOWS` windows every k-th is kept, the last among them.

    Args:
        n_replicas: rows.
        n_frames: of the run.
        window_frames: in a window, at most n_frames.
    """

    def __init__(self, n_replicas: int, n_frames: int, window_frames: int) -> None:
        n_windows = n_frames // window_frames
        self._every = -(-n_windows // MAX_WINDOWS)
        self._window = window_frames
        # Windows count from the one that leaves a whole number of strides to the end.
        self._first = n_frames - (1 + (n_windows - 1) // self._every * self._every) * window_frames
        self.sums = torch.zeros(n_replicas, 1 + (n_windows - 1) // self._every, dtype=torch.float64)
        self._seen = 0

    @property
    def centres(self) -> Tensor:
        """Frame index at the centre of each window [window]."""
        each = torch.arange(self.sums.shape[1], dtype=torch.float64)
        return self._first + self._every * self._window * each + 0.5 * (self._window - 1)

    def update(self, values: Tensor) -> None:
        """Take a stretch [replica, time]."""
        frames = torch.arange(self._seen, self._seen + values.shape[1]) - self._first
        self._seen += values.shape[1]
        window = frames.div(self._window, rounding_mode="floor")
        kept = (frames >= 0) & (window % self._every == 0)
        self.sums.index_add_(1, window[kept] // self._every, values[:, kept])

    @property
    def means(self) -> Tensor:
        """[replica, window]."""
        return self.sums / self._window


class Trend:
    """Least-squares slope along a run, see `energy.energy_drift`.

    Args:
        n_replicas: rows.
        n_frames: of the run, at least 2.
    """

    def __init__(self, n_replicas: int, n_frames: int) -> None:
        self._n_frames = n_frames
        self._seen = 0
        self._origin = torch.zeros(n_replicas, dtype=torch.float64)
        self._products = torch.zeros_like(self._origin)

    def update(self, values: Tensor) -> None:
        """Take a stretch [replica, time]."""
        if self._seen == 0:
            # Times about the middle add up to nothing, so any constant may go; the first value keeps the digits.
            self._origin = values[:, 0].clone()
        time = torch.arange(self._seen, self._seen + values.shape[1], dtype=torch.float64) - 0.5 * (self._n_frames - 1)
        self._products += (values - self._origin.unsqueeze(1)) @ time
        self._seen += values.shape[1]

    @property
    def slope(self) -> Tensor:
        """Per frame [replica]."""
        n = self._n_frames
        return self._products / (n * (n * n - 1) / 12)


class Autocorrelation:
    """Mass-weighted velocity autocorrelation over every pair of frames of a run, see `dynamics.vacf`.

    Keeps the last frames of a stretch for the pairs with the next one.

    Args:
        masses: [atom], u.
        n_lags: lags 0, 1, ..., n_lags - 1, in frames.
    """

    def __init__(self, masses: Tensor, n_lags: int) -> None:
        self._roots = masses.double().sqrt().unsqueeze(-1)
        self._n_lags = n_lags
        self._seen = 0
        self._tail: Tensor | None = None
        self._products: Tensor | None = None

    def update(self, velocities: Tensor) -> None:
        """Take a stretch [replica, time, atom, xyz], A/fs."""
        series = (velocities * self._roots).flatten(start_dim=2).transpose(1, 2)
        known = series if self._tail is None else torch.cat([self._tail, series], dim=2)
        n_fft = fft_length(known.shape[2] + self._n_lags)
        n_before = known.shape[2] - series.shape[2]
        products: Tensor | None = None
        # One component at a time: of the transforms, which are the largest things here, there are never more than two.
        for i in range(series.shape[1]):
            past = torch.fft.rfft(known[:, i], n=n_fft)
            present = torch.fft.rfft(torch.nn.functional.pad(series[:, i], (n_before, 0)), n=n_fft)
            power = past.conj_physical_().mul_(present)
            products = power if products is None else products.add_(power)
        assert products is not None
        added = torch.fft.irfft(products, n=n_fft)[:, : self._n_lags]
        self._products = added.clone() if self._products is None else self._products + added
        self._tail = known[:, :, max(0, known.shape[2] - self._n_lags + 1) :].clone()
        self._seen += series.shape[2]

    @property
    def values(self) -> Tensor:
        """C(l) of every replica [replica, n_lags], 1 at lag 0."""
        assert self._products is not None
        correlation = self._products / (self._seen - torch.arange(self._n_lags, dtype=torch.float64))
        return correlation / correlation[:, :1]


class SegmentedSpectrum:
    """Power spectrum of a run of any length, see `dynamics.power_spectrum`, summed over replicas.

    Args:
        n_frames: of the run; up to `SEGMENT_FRAMES` there is one segment, the whole run.
        frame_dt_fs: time between two frames.
    """

    def __init__(self, n_frames: int, frame_dt_fs: float) -> None:
        self._length = min(n_frames, SEGMENT_FRAMES)
        self._skipped = n_frames % self._length
        self._frame_dt_fs = frame_dt_fs
        self._series: Tensor | None = None
        self._at = -self._skipped
        self._sum: Tensor | None = None
        self._count = 0
        self._wavenumbers: Tensor | None = None

    def update(self, signal: Tensor) -> None:
        """Take a stretch of some replicas [replica, time]; a run of other replicas begins when one has ended."""
        if self._series is None:
            self._series = torch.empty(signal.shape[0], self._length, dtype=torch.float64)
            self._at = -self._skipped
        start = max(0, -self._at)
        self._at += min(start, signal.shape[1])
        while start < signal.shape[1]:
            n = min(signal.shape[1] - start, self._length - self._at)
            self._series[:, self._at : self._at + n] = signal[:, start : start + n]
            self._at, start = self._at + n, start + n
            if self._at == self._length:
                self._transform(self._series)
                self._at = 0

    def _transform(self, series: Tensor) -> None:
        for replica in range(series.shape[0]):
            self._wavenumbers, power = power_spectrum(series[replica : replica + 1], self._frame_dt_fs)
            self._sum = power if self._sum is None else self._sum.add_(power)
            self._count += 1

    def end_run(self) -> None:
        """The replicas have been seen to their last frame; others may follow."""
        self._series = None

    def result(self) -> tuple[Tensor, Tensor]:
        """Wavenumbers [n], cm^-1, and the mean over segments and replicas [n], signal unit squared per cm^-1."""
        assert self._wavenumbers is not None
        assert self._sum is not None
        return self._wavenumbers, self._sum / self._count


class SampleDistance:
    """Distance between the distributions of two runs' numbers, see `structure.wasserstein_distance`.

    Exact up to `EXACT_VALUES` values. Beyond, numbers are counted in 2^20 bins between the lowest and the highest, and
    the distance is that of the histograms, which is off by at most one bin: for bonds within 0.5 A, 5e-7 A.

    Args:
        n_values: in each sample.
        lowest: of all numbers.
        highest: of all numbers.
    """

    def __init__(self, n_values: int, lowest: float, highest: float) -> None:
        self._n_values = n_values
        self._exact = n_values <= EXACT_VALUES
        self._samples: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._lowest = lowest
        # Where all numbers are the same, any width puts them into one bin.
        self._width = max((highest - lowest) / N_BINS, torch.finfo(torch.float64).tiny)
        self._excess = torch.zeros(0 if self._exact else N_BINS, dtype=torch.int64)

    def update(self, first: Tensor, second: Tensor) -> None:
        """Take as many numbers of one run as of the other, any shape."""
        for sample, sign, values in zip(self._samples, (1, -1), (first, second), strict=True):
            if self._exact:
                sample.append(values.flatten().clone())
            else:
                bins = values.flatten().sub(self._lowest).div_(self._width).long().clamp_(0, N_BINS - 1)
                self._excess.index_add_(0, bins, torch.full_like(bins, sign))

    @property
    def value(self) -> float:
        """In the unit of the numbers."""
        if self._exact:
            return float(wasserstein_distance(*(torch.cat(sample) for sample in self._samples)))
        return float(self._excess.cumsum(0).abs().sum()) * self._width / self._n_values
