"""Velocity autocorrelation functions and vibrational spectra."""

from math import isfinite

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.observables.errors import require_same_shape
from mlmd.observables.structure import bond_vectors
from mlmd.units import SPEED_OF_LIGHT_CM_PER_FS

PADDING = 4
"""Zero padding of a spectrum, in lengths of the record: enough points on a line for a parabola to find its top."""

HANN_WIDTH_BINS = 1.44
"""Full width of a Hann-windowed line at half its power, in units of 1/duration (Harris, Proc. IEEE 66, 51 (1978))."""

HALF_WINDOW_SHARE, HALF_WINDOW_CM1, HALF_WINDOW_POINTS = 0.05, 50.0, 20
"""A spectrum is shown to either side of the line by the largest of: a share of it, cm^-1, points."""


def fft_length(n_least: int) -> int:
    """The smallest 2^a, 3 * 2^a or 5 * 2^a that is not below ``n_least``: lengths with large primes are slow."""
    return min(factor << max(0, (-(-n_least // factor) - 1).bit_length()) for factor in (1, 3, 5))


def vacf(velocities: Tensor, masses: Tensor, n_lags: int, *, per_replica: bool = False) -> Tensor:
    """Mass-weighted velocity autocorrelation function.

        C(l) = < sum_i m_i v_i(t) . v_i(t + l) >_t / < sum_i m_i |v_i(t)|^2 >_t,

    every lag averaged over the n_frames - l pairs of frames that the run has. Each replica is normalised by itself
    before the mean over replicas. By FFT (Wiener-Khinchin), zero padded so that the ends of the run do not meet.

    Args:
        velocities: on-step velocities [replica, time, atom, xyz], A/fs.
        masses: [atom], u.
        n_lags: lags 0, 1, ..., n_lags - 1, in frames.
        per_replica: keep the replicas apart.

    Returns:
        [n_lags], or [replica, n_lags]; 1 at lag 0.

    Raises:
        ConfigError: no lag, or as many as frames and more.

    >>> v = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64).reshape(1, 4, 1, 1)
    >>> [round(c, 6) for c in vacf(v, torch.ones(1), 3).tolist()]
    [1.0, -1.0, 1.0]
    """
    n_frames = velocities.shape[1]
    if not 1 <= n_lags <= n_frames:
        raise ConfigError(f"n_lags={n_lags} in a run of {n_frames} frames; give 1 to {n_frames}")
    weighted = velocities * masses.to(velocities).sqrt().unsqueeze(-1)
    components = weighted.flatten(start_dim=2).transpose(1, 2).contiguous()
    # Padding by n_lags is enough: products that wrap around land on longer lags, which are cut off.
    n_fft = fft_length(n_frames + n_lags)
    spectrum = torch.fft.rfft(components, n=n_fft, dim=-1)
    power = (spectrum.real.square() + spectrum.imag.square()).sum(dim=1)
    products: Tensor = torch.fft.irfft(power, n=n_fft, dim=-1)[:, :n_lags]
    correlation = products / (n_frames - torch.arange(n_lags, dtype=products.dtype, device=products.device))
    normalised = correlation / correlation[:, :1]
    return normalised if per_replica else normalised.mean(dim=0)


def vacf_error(correlation: Tensor, correlation_ref: Tensor) -> Tensor:
    """Largest |C(l) - C_ref(l)| over the lags given, dimensionless.

    Args:
        correlation: from :func:`vacf`, any shape.
        correlation_ref: of the reference, same shape.

    Raises:
        DataError: the shapes differ.
    """
    require_same_shape(correlation, correlation_ref, names=("correlation", "correlation_ref"))
    return (correlation - correlation_ref).abs().max()


def bond_velocity(positions: Tensor, velocities: Tensor) -> Tensor:
    """Rate of the bond length of a diatomic, d|r|/dt = (r_2 - r_1) . (v_2 - v_1) / |r_2 - r_1|.

    Free of rotation and translation, so its spectrum shows the vibrational line alone.

    Args:
        positions: [replica, time, 2, xyz], A.
        velocities: on-step velocities, same shape, A/fs.

    Returns:
        [replica, time], A/fs.

    Raises:
        DataError: not two atoms, or the shapes differ.
    """
    require_same_shape(positions, velocities, names=("positions", "velocities"))
    bond = bond_vectors(positions)
    lengths: Tensor = torch.linalg.vector_norm(bond, dim=-1)
    return (bond * bond_vectors(velocities)).sum(dim=-1) / lengths


def power_spectrum(signal: Tensor, frame_dt_fs: float) -> tuple[Tensor, Tensor]:
    """One-sided power spectral density of a signal, averaged over replicas.

    The mean is removed, a Hann window laid over the run and zeros appended to at least four times its length. The
    integral over the wavenumbers is the mean square of the windowed signal; a sine of amplitude A has A^2 / 2.

    Args:
        signal: for instance :func:`bond_velocity` [replica, time], any unit.
        frame_dt_fs: time between two frames.

    Returns:
        Wavenumbers [n], cm^-1, and the power [n], signal unit squared per cm^-1.

    Raises:
        ConfigError: the time between frames is not positive.
    """
    if not frame_dt_fs > 0:
        raise ConfigError(f"frame_dt_fs={frame_dt_fs}; the time between frames must be positive")
    n_frames = signal.shape[-1]
    n_fft = fft_length(PADDING * n_frames)
    window = torch.hann_window(n_frames, periodic=True, dtype=signal.dtype, device=signal.device)
    windowed = (signal - signal.mean(dim=-1, keepdim=True)) * window
    amplitude = torch.fft.rfft(windowed, n=n_fft, dim=-1)
    power = (amplitude.real.square() + amplitude.imag.square()).mean(dim=0)
    # Zero and the Nyquist frequency (every length here but 1, 3, 5 is even) have no mirror image to be folded in.
    power[1 : (n_fft + 1) // 2] *= 2.0
    cm1_per_inverse_fs = 1.0 / SPEED_OF_LIGHT_CM_PER_FS
    frequencies = torch.fft.rfftfreq(n_fft, d=frame_dt_fs, dtype=signal.dtype, device=signal.device)
    return frequencies * cm1_per_inverse_fs, power * (frame_dt_fs / cm1_per_inverse_fs / window.square().sum())


def line_position_cm1(wavenumbers: Tensor, power: Tensor, *, within: tuple[float, float] | None = None) -> float:
    """Wavenumber of the highest peak, from the parabola through the logarithms of its three highest points.

    A Hann line is close to a Gaussian about its top, so with the padding of :func:`power_spectrum` a run of 10 ps gives
    a single line to better than 0.01 cm^-1, far inside :func:`spectrum_resolution_cm1`.

    Args:
        wavenumbers: evenly spaced [n], cm^-1.
        power: [n], any unit.
        within: from where to where the peak is looked for, cm^-1; everywhere if not given.

    Returns:
        cm^-1; NaN when the power is zero or not finite, or no wavenumber lies within.

    Raises:
        DataError: the shapes differ.
    """
    require_same_shape(wavenumbers, power, names=("wavenumbers", "power"))
    if within is not None:
        first, stop = torch.searchsorted(wavenumbers, wavenumbers.new_tensor(within)).tolist()
        if first >= stop:
            return float("nan")
        top = first + int(power[first:stop].argmax())
    else:
        top = int(power.argmax())
    if not (0.0 < float(power[top]) < float("inf")):
        return float("nan")
    if top in (0, power.shape[0] - 1):
        return float(wavenumbers[top])
    below, at, above = power[top - 1 : top + 2].log().tolist()
    if max(below, above) > at:
        # At the edge of where it was looked for, on the slope of a line beyond.
        return float(wavenumbers[top])
    offset = 0.5 * (below - above) / (below - 2.0 * at + above)
    return float(wavenumbers[top] + offset * (wavenumbers[1] - wavenumbers[0]))


def line_limits(wavenumbers: Tensor, line_cm1: float) -> tuple[float, float]:
    """From where to where a spectrum is shown, cm^-1: around its line, or all of it where it has none.

    Args:
        wavenumbers: evenly spaced [n], at least two, cm^-1.
        line_cm1: position of the line, NaN where there is none.
    """
    low, high = float(wavenumbers[0]), float(wavenumbers[-1])
    if not isfinite(line_cm1):
        return low, high
    spacing = float(wavenumbers[1] - wavenumbers[0])
    half = max(HALF_WINDOW_SHARE * line_cm1, HALF_WINDOW_CM1, HALF_WINDOW_POINTS * spacing)
    return max(low, line_cm1 - half), min(high, line_cm1 + half)


def spectrum_resolution_cm1(n_frames: int, frame_dt_fs: float) -> float:
    """Full width at half maximum that the Hann window gives every line, 1.44 / (n_frames * dt * c).

    Args:
        n_frames: frames of the run.
        frame_dt_fs: time between two frames.

    Returns:
        cm^-1.

    >>> round(spectrum_resolution_cm1(20_000, 0.5), 2)
    4.8
    """
    return HANN_WIDTH_BINS / (n_frames * frame_dt_fs * SPEED_OF_LIGHT_CM_PER_FS)
