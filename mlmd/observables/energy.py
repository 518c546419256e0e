"""Errors of the total energy.

Verlet's own total energy oscillates with the bond, by about (omega dt)^2 / 8, which is no error of a predictor.
Energies are therefore compared as means over whole periods, against a reference from the same initial state.

Energies count from the minimum of the potential: a ratio of energies means nothing from another zero.
"""

import torch
from torch import Tensor

from mlmd.errors import ConfigError, DataError
from mlmd.observables.errors import require_same_shape
from mlmd.units import ACCELERATION, FS_PER_PS, MEV_PER_EV


def kinetic_energy(velocities: Tensor, masses: Tensor) -> Tensor:
    """Kinetic energy, sum_i m_i |v_i|^2 / 2.

    Args:
        velocities: on-step velocities v_n [..., atom, xyz], A/fs.
        masses: [atom], u.

    Returns:
        [...], eV.

    >>> v = torch.tensor([[0.1, 0.0, 0.0]], dtype=torch.float64)
    >>> f"{float(kinetic_energy(v, torch.tensor([2.0], dtype=torch.float64))):.4f}"
    '1.0364'
    """
    return torch.einsum("...ai,...ai,a->...", velocities, velocities, masses.to(velocities)) * (0.5 / ACCELERATION)


def frames_of_whole_periods(period_fs: float, frame_dt_fs: float, n_periods: int = 10) -> int:
    """Number of frames nearest to ``n_periods`` whole periods, at least one.

    The mean over so many frames is free of the oscillation to within half a frame's share of the window.

    Args:
        period_fs: vibrational period.
        frame_dt_fs: time between two frames.
        n_periods: whole periods that the window is to span.

    Raises:
        ConfigError: one of the three is not positive.

    >>> frames_of_whole_periods(11.14, 0.5)
    223
    """
    if not (period_fs > 0 and frame_dt_fs > 0 and n_periods > 0):
        raise ConfigError(
            f"period_fs={period_fs}, frame_dt_fs={frame_dt_fs}, n_periods={n_periods}; all three must be positive"
        )
    return max(1, round(n_periods * period_fs / frame_dt_fs))


def _block_means(energy: Tensor, window_frames: int) -> Tensor:
    """Means over consecutive windows that end with the last frame [replica, block]."""
    n_frames = energy.shape[-1]
    if not 1 <= window_frames <= n_frames:
        raise ConfigError(f"window_frames={window_frames} in a run of {n_frames} frames; give 1 to {n_frames}")
    n_blocks = n_frames // window_frames
    ending = energy[:, n_frames - n_blocks * window_frames :]
    return ending.reshape(energy.shape[0], n_blocks, window_frames).mean(dim=-1)


def relative_to(mean: Tensor, mean_ref: Tensor) -> Tensor:
    """|mean / mean_ref - 1|, +inf where the mean is not finite.

    Args:
        mean: of the energy in windows [replica, window], eV.
        mean_ref: of the reference's energy over its whole run [replica, 1], eV.
    """
    error = (mean / mean_ref - 1.0).abs()
    # A replica that diverged has no energy: its error is without bound, and a median or worst must see that.
    return torch.where(mean.isfinite(), error, torch.inf)


def relative_energy_error(energy: Tensor, energy_ref: Tensor, *, window_frames: int) -> Tensor:
    """Energy error at the end of a run, |<E>_end / <E>_ref - 1|.

    Args:
        energy: total energy of the run [replica, time], eV.
        energy_ref: total energy of the reference from the same initial states [replica, time], eV.
        window_frames: the last frames to average, see :func:`frames_of_whole_periods`.

    Returns:
        [replica], dimensionless; +inf for a replica with a frame that is not finite in the window.

    Raises:
        DataError: another number of replicas in the reference.
        ConfigError: the window is longer than the run.

    >>> float(relative_energy_error(torch.tensor([[1.0, 3.0, 3.0]]), torch.tensor([[2.0, 2.0]]), window_frames=2)[0])
    0.5
    """
    return energy_error_along(energy, energy_ref, window_frames=window_frames)[1][:, -1]


def energy_error_along(energy: Tensor, energy_ref: Tensor, *, window_frames: int) -> tuple[Tensor, Tensor]:
    """The energy error in consecutive windows, for a figure along the run.

    The windows end with the last frame, so the last one is :func:`relative_energy_error`; up to ``window_frames - 1``
    frames at the start belong to none.

    Args:
        energy: total energy of the run [replica, time], eV.
        energy_ref: total energy of the reference from the same initial states [replica, time], eV.
        window_frames: frames in a window, see :func:`frames_of_whole_periods`.

    Returns:
        The frame index at the centre of each window [block], float64, and the errors [replica, block].

    Raises:
        DataError: another number of replicas in the reference.
        ConfigError: the window is longer than the run.
    """
    require_same_shape(energy[:, 0], energy_ref[:, 0], names=("energy (by replica)", "energy_ref (by replica)"))
    means = _block_means(energy, window_frames)
    n_blocks = means.shape[-1]
    first = energy.shape[-1] - n_blocks * window_frames + 0.5 * (window_frames - 1)
    centres = first + window_frames * torch.arange(n_blocks, dtype=torch.float64, device=energy.device)
    return centres, relative_to(means, energy_ref.mean(dim=-1, keepdim=True))


def _slope_per_frame(energy: Tensor) -> Tensor:
    """Least-squares slope along the last axis, per frame."""
    n_frames = energy.shape[-1]
    if n_frames < 2:
        raise DataError(f"a slope needs two frames and the run has {n_frames}; store more frames")
    time = torch.arange(n_frames, dtype=energy.dtype, device=energy.device) - 0.5 * (n_frames - 1)
    # The mean goes first: a small slope on a large energy would lose its digits.
    return (energy - energy.mean(dim=-1, keepdim=True)) @ time / (time @ time)


def energy_drift(energy: Tensor, *, frame_dt_fs: float, n_atoms: int) -> Tensor:
    """Slope of the total energy by least squares.

    Args:
        energy: total energy [replica, time], eV.
        frame_dt_fs: time between two frames.
        n_atoms: atoms of one replica.

    Returns:
        [replica], meV/atom/ps, signed; NaN for a replica that diverged.

    Raises:
        DataError: fewer than two frames.

    >>> E = torch.tensor([[1.0, 1.5, 2.0]], dtype=torch.float64)
    >>> float(energy_drift(E, frame_dt_fs=1000.0, n_atoms=2)[0])
    250.0
    """
    return drift_of_slope(_slope_per_frame(energy), frame_dt_fs=frame_dt_fs, n_atoms=n_atoms)


def drift_of_slope(slope: Tensor, *, frame_dt_fs: float, n_atoms: int) -> Tensor:
    """meV/atom/ps of a slope in eV per frame, any shape."""
    return slope * (FS_PER_PS * MEV_PER_EV / (frame_dt_fs * n_atoms))


def drift_over_std_kinetic(energy: Tensor, kinetic: Tensor) -> Tensor:
    """Energy drifted over the whole run against the natural exchange of energy, |slope * duration| / std(KE).

    Args:
        energy: total energy [replica, time], eV.
        kinetic: kinetic energy [replica, time], eV.

    Returns:
        [replica], dimensionless; NaN for a replica that diverged.

    Raises:
        DataError: the shapes differ, or fewer than two frames.
    """
    require_same_shape(energy, kinetic, names=("energy", "kinetic"))
    drifted = (_slope_per_frame(energy) * (energy.shape[-1] - 1)).abs()
    return drifted / kinetic.std(dim=-1, correction=0)
