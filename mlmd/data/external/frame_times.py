"""Finds the time between two frames, from the file or from the user, and checks that both agree."""

import math

import torch
from torch import Tensor

from mlmd.data.external.ase_reader import FileFrames
from mlmd.errors import ConfigError, DataError

EVENNESS = 1e-3
"""Largest deviation of a printed time from even spacing, as part of the spacing; printed times have few digits."""

SAME_DT = 1e-6
"""Relative difference below which two time steps are equal; it shifts spectral lines by the same part."""


def frame_spacing(frames: FileFrames, dt_fs: float | None) -> tuple[float, list[str]]:
    """The time between two frames, fs, and notes for the user.

    Args:
        frames: the frames; ``time_fs`` gives the spacing, while ``step`` and ``time`` only have to be evenly spaced.
        dt_fs: time between two frames given by the user, fs; None takes that of the file.

    Raises:
        ConfigError: the time is given neither by the file nor by the user, or the two differ.
        DataError: the frames are not evenly spaced.
    """
    path = frames.path
    stride = None if frames.steps is None else even_spacing(frames.steps.double(), f"{path}", "step")
    if frames.times is not None:
        even_spacing(frames.times, f"{path}", "time")
    stored = None if frames.times_fs is None else even_spacing(frames.times_fs, f"{path}", "time_fs")
    if dt_fs is not None and not (dt_fs > 0 and math.isfinite(dt_fs)):
        raise ConfigError(f"data.trajectories.dt_fs = {dt_fs} must be positive")
    if stored is not None and dt_fs is not None and not same_spacing(stored, dt_fs, n_frames=len(frames)):
        raise ConfigError(
            f"data.trajectories.dt_fs = {dt_fs}, but the frames of {path} are {stored:.6g} fs apart by their time_fs; "
            "leave dt_fs out, or give the time between two frames"
        )
    spacing = dt_fs if dt_fs is not None else stored
    if spacing is None:
        raise ConfigError(f"{path} contains no time step; {_hint(frames)}")
    notes = []
    if stride is not None and stride > 1:
        notes.append(
            f"{path}: one in {stride:g} MD steps is stored; the predictor's step is the {spacing:.6g} fs between frames"
        )
    return spacing, notes


def same_spacing(first_fs: float, second_fs: float, *, n_frames: int) -> bool:
    """Whether two time steps are equal, within the digits of the times of ``n_frames`` frames.

    >>> same_spacing(0.33334, 1 / 3, n_frames=50), same_spacing(0.33334, 1 / 3, n_frames=5000)
    (True, False)
    """
    return math.isclose(first_fs, second_fs, rel_tol=max(SAME_DT, EVENNESS / n_frames))


def even_spacing(values: Tensor, where: str, name: str) -> float:
    """The spacing of evenly spaced values [time].

    Raises:
        DataError: they are not evenly spaced or do not increase; the message names the first such frame.
    """
    if len(values) < 2:
        return 1.0
    spacing = float((values[1:] - values[:-1]).median())
    if not spacing > 0:
        raise DataError(f"{where}: {name} does not increase from frame to frame; give frames of one run in their order")
    gaps, rounding = values[1:] - values[:-1], 8.0 * torch.finfo(torch.float64).eps * values[1:].abs()
    missed = (gaps - spacing).abs() > EVENNESS * spacing + rounding
    if bool(missed.any()):
        frame = int(missed.int().argmax()) + 1
        raise DataError(
            f"{where}: frame {frame} is unevenly spaced: its {name} is {float(values[frame]):.10g} after "
            f"{float(values[frame - 1]):.10g}, elsewhere frames are {spacing:.6g} apart; cut the file there"
        )
    # The difference of the ends has more digits than one printed difference.
    return float(values[-1] - values[0]) / (len(values) - 1)


def _hint(frames: FileFrames) -> str:
    """The remedy, with an estimate of the time step if the file allows one."""
    give = "give the time between two frames: data.trajectories.dt_fs="
    if frames.velocities is not None and len(frames) > 2:
        velocities = frames.velocities[1:-1]
        moved = 0.5 * (frames.positions[2:] - frames.positions[:-2])
        squared = float(velocities.square().sum())
        if squared > 0:
            return f"{give}..., about {float((velocities * moved).sum()) / squared:.4g} by its velocities"
    if frames.times is not None and len(frames) > 1:
        return f"its time advances by {float(frames.times[1] - frames.times[0]):.6g} in an unknown unit; {give}..."
    return f"{give}..."
