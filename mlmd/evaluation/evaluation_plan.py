"""Fixes, before a run is read, which frames get an energy, the length of windows and the number of lags."""

from dataclasses import dataclass

from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.observables.energy import frames_of_whole_periods
from mlmd.observables.internal_motion import InternalMotion
from mlmd.units import FS_PER_PS

N_PERIODS = 10
"""Number of whole periods in one window of the energy error."""

VACF_FS = FS_PER_PS
"""Longest lag at which the velocity autocorrelation functions are compared, fs."""


@dataclass(frozen=True)
class EnergySampling:
    """Selects the frames whose potential energy is computed: every k-th frame, the last one included.

    Attributes:
        n_frames: number of frames that are evaluated.
        frame_dt_fs: time between two of them, fs.
        every: k, at least 1; 1 selects all frames.

    Raises:
        ConfigError: k is below 1, or selects fewer than two frames.
    """

    n_frames: int
    frame_dt_fs: float
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"energy_every = {self.every} must be at least 1")
        if self.n_energies < 2:
            raise ConfigError(
                f"energy_every = {self.every} leaves one energy in {self.n_frames} evaluated frames, and the energy "
                "error needs two; lower it"
            )

    @property
    def n_energies(self) -> int:
        """Number of frames with an energy."""
        return 1 + (self.n_frames - 1) // self.every

    @property
    def dt_fs(self) -> float:
        """Time between two energies, fs."""
        return self.every * self.frame_dt_fs

    @property
    def first(self) -> int:
        """Index of the first frame with an energy."""
        return (self.n_frames - 1) % self.every

    def within(self, start: int) -> slice:
        """Frames with an energy in a chunk whose first frame has the index ``start``."""
        return slice((self.first - start) % self.every, None, self.every)


@dataclass(frozen=True)
class EvaluationPlan:
    """Everything about an evaluation that is known before the frames are read.

    Attributes:
        sampling: the frames with a potential energy.
        window_energies: number of energies in one window of the energy error.
        n_lags: number of lags of the velocity autocorrelation function.
        masses: atomic masses [atom], u.
        motion: bonds, rates and kinetic energies of the molecule.
    """

    sampling: EnergySampling
    window_energies: int
    n_lags: int
    masses: Tensor
    motion: InternalMotion


def error_window_frames(period_fs: float, frame_dt_fs: float, n_frames: int) -> int:
    """Number of frames in one window of the energy error.

    A window holds ten whole periods. In a shorter run it holds as many whole periods as the run has, and in a run below
    one period all frames.

    Args:
        period_fs: period of the slowest vibration, fs.
        frame_dt_fs: time between two frames, fs.
        n_frames: number of frames of the run.
    """
    n_periods = min(N_PERIODS, int(n_frames * frame_dt_fs / period_fs))
    if n_periods < 1:
        return n_frames
    return min(n_frames, frames_of_whole_periods(period_fs, frame_dt_fs, n_periods))


def vacf_lags(frame_dt_fs: float, n_frames: int) -> int:
    """Number of lags of the velocity autocorrelation function: up to 1 ps, or up to half of a run below 2 ps.

    Args:
        frame_dt_fs: time between two frames, fs.
        n_frames: number of frames of the run.
    """
    return max(1, min(int(VACF_FS / frame_dt_fs) + 1, n_frames // 2))
