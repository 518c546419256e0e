"""From the frames of a file to kicks and drifts, checked against everything else that the file holds.

Half-step velocities are what the drift says, v_{n+1/2} = (r_{n+1} - r_n) / dt; kicks are u_n = v_{n+1/2} - v_{n-1/2},
and on-step velocities are the mean of both. For a file of every step of velocity Verlet this is that file's own
leapfrog exactly. Where only every k-th step is stored it is the leapfrog that passes through the frames; its kicks are
those of the finer dynamics, and dt F/m exceeds them by a part (omega dt)^2/12.

Positions that are rounded to q leave q/sqrt(12) of noise in each number, hence q/(sqrt(2) dt) in a kick. Where the
file has forces that make the same kicks, dt F/m has no such noise and is taken.

Velocities and forces in a file know the time step: they are compared with the motion, and a constant factor between
them is told with the unit or time step that explains it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.data.external.ase_reader import FileFrames
from mlmd.errors import ConfigError, DataError
from mlmd.state import Trajectory
from mlmd.units import ACCELERATION

NOISE_REFUSED = 0.01
"""Noise of the kicks, as part of their root mean square, above which they are not worth learning from."""

NOISE_TOLD = 0.001

STEP_BIAS = 0.25
"""Times (omega dt)^2: what a finite time step may add to a comparison. On-step velocities of the exact motion are
(omega dt)^2/6 above those of differences, forces (omega dt)^2/12; the rest is margin. (omega dt)^2 is the mean square
of a change over that of what changes."""

# Of a velocity unit, what 1 A/fs is in it.
_VELOCITY_UNITS = {
    "A/fs": 1.0,
    "ASE's unit, A per 10.18 fs": 10.180505,
    "A/ps": 1e3,
    "nm/ps": 1e2,
    "m/s": 1e5,
    "bohr per atomic unit of time": 0.0457103,
}
_UNIT_MATCH = 0.02


@dataclass(frozen=True)
class Leapfrog:
    """A trajectory through the frames of a file but the first and the last.

    Attributes:
        trajectory: one replica [1, time, atom, xyz].
        kick_noise_A_per_fs: what the rounding of positions leaves in a component of a kick.
        notes: lines worth telling the user.
    """

    trajectory: Trajectory
    kick_noise_A_per_fs: float
    notes: tuple[str, ...]


def leapfrog(frames: FileFrames, *, dt_fs: float, verify: bool = True) -> Leapfrog:
    """Kicks and velocities of a file's frames.

    Args:
        frames: evenly spaced.
        dt_fs: time between two of them, fs.
        verify: compare velocities and forces in the file with the motion.

    Raises:
        DataError: fewer than three frames, atoms that do not accelerate, too few digits, velocities or forces that are
            of another motion.
        ConfigError: velocities or forces that show another time step or unit.
    """
    path, positions = frames.path, frames.positions
    if len(frames) < 3:
        raise DataError(f"{path} holds {len(frames)} frames, but a kick needs 3 in a row; give a longer file")
    half = (positions[1:] - positions[:-1]) / dt_fs
    kicks, velocities = half[1:] - half[:-1], 0.5 * (half[1:] + half[:-1])
    size = _rms(kicks)
    if not size > 0:
        raise DataError(f"{path}: no atom accelerates, so there are no kicks to learn; check that it is a trajectory")
    noise = position_resolution(positions) / (math.sqrt(2.0) * dt_fs * size)
    notes: list[str] = []
    if frames.velocities is None:
        notes.append(f"{path}: no velocities in the file, they are rebuilt from positions")
    elif verify:
        bias = STEP_BIAS * (size / _rms(velocities)) ** 2
        notes += _check_velocities(frames, half, dt_fs=dt_fs, tolerance=bias + 4.0 * noise + 1e-3)
    forced = None
    if verify and frames.forces is not None:
        forced = dt_fs * ACCELERATION * frames.forces[1:-1] / frames.masses
        bias = STEP_BIAS * (_rms(kicks[1:] - kicks[:-1]) / size) ** 2 if len(kicks) > 1 else 1.0
        _check_forces(path, forced, kicks, dt_fs=dt_fs, tolerance=bias + 4.0 * noise + 1e-3)
        if _rms(forced - kicks) > (4.0 * noise + 1e-5) * size:
            forced = None
    if forced is not None:
        kicks, noise = forced, 0.0
        notes.append(f"{path}: kicks are dt F/m with the forces in the file, which agree with its positions")
    else:
        notes += _told_noise(path, noise)
    steps = torch.arange(1, len(frames) - 1)
    trajectory = Trajectory(steps, positions[None, 1:-1], velocities.unsqueeze(0), kicks.unsqueeze(0))
    return Leapfrog(trajectory, noise * size, tuple(notes))


def position_resolution(positions: Tensor) -> float:
    """The step between two numbers that the positions could have held, A: of their decimals, of float32 or of float64.

    >>> position_resolution(torch.tensor([[[0.125, 1.5, -2.0]]], dtype=torch.float64))
    0.001
    """
    largest = max(float(positions.abs().max()), 1e-300)
    eps = torch.finfo(torch.float64).eps
    for decimals in range(16):
        scaled = positions * 10.0**decimals
        slack = 4.0 * eps * largest * 10.0**decimals
        if slack > 0.01:
            break
        if bool(((scaled - scaled.round()).abs() <= max(slack, 1e-9)).all()):
            return float(10.0**-decimals)
    octave = 2.0 ** math.floor(math.log2(largest))
    single = bool((positions.float().double() == positions).all())
    return float(octave * (torch.finfo(torch.float32).eps if single else eps))


def _told_noise(path: object, noise: float) -> list[str]:
    problem = f"{path}: its positions have so few digits that {100 * noise:.2g} % of the kicks is noise"
    if noise > NOISE_REFUSED:
        raise DataError(f"{problem} (at most {100 * NOISE_REFUSED:g} %); store more digits, forces, or a binary .traj")
    return [f"{problem}; store more digits or a binary .traj"] if noise > NOISE_TOLD else []


def _check_velocities(frames: FileFrames, half: Tensor, *, dt_fs: float, tolerance: float) -> list[str]:
    """Compare the file's velocities with v_n, v_{n-1/2} and v_{n+1/2} of its positions."""
    assert frames.velocities is not None
    stored, path = frames.velocities[1:-1], frames.path
    if _rms(stored) == 0.0:
        return [f"{path}: the velocities in the file are all zero, they are rebuilt from positions"]
    moments = {"on-step": 0.5 * (half[1:] + half[:-1]), "half a step early": half[:-1], "half a step late": half[1:]}
    fits = {name: _fit(stored, velocities) for name, velocities in moments.items()}
    moment = min(fits, key=lambda name: fits[name][1])
    factor, rest = fits[moment]
    if rest > max(0.05, tolerance):
        raise DataError(
            f"{path}: its velocities are not those of its positions (they differ by {100 * rest:.2g} % beyond a common "
            "factor); check the file, or give data.trajectories.verify=false to learn from positions alone"
        )
    if abs(factor - 1.0) > tolerance:
        raise ConfigError(_told_factor(frames, factor, dt_fs=dt_fs))
    difference = math.hypot(factor - 1.0, rest)
    late = "" if moment == "on-step" else f", {moment} as in leapfrog files"
    return [f"{path}: velocities in the file confirm dt {dt_fs:.6g} fs (within {max(difference, 1e-15):.1e}{late})"]


def _told_factor(frames: FileFrames, factor: float, *, dt_fs: float) -> str:
    """Which unit or time step explains velocities that are ``factor`` times those of the positions."""
    in_A_per_fs = factor * (_VELOCITY_UNITS["ASE's unit, A per 10.18 fs"] if frames.from_momenta else 1.0)
    unit = next((name for name, size in _VELOCITY_UNITS.items() if abs(in_A_per_fs / size - 1.0) < _UNIT_MATCH), None)
    expected = "ASE's unit is A per 10.18 fs" if frames.from_momenta else "A/fs is expected"
    looks = "" if unit is None else f"they look like {unit}, where {expected} (then verify=false), or "
    return (
        f"{frames.path}: velocities in the file are {factor:.4g} times those that its positions give with dt "
        f"{dt_fs:.6g} fs: {looks}the time between frames is about {dt_fs / factor:.4g} fs (data.trajectories.dt_fs)"
    )


def _check_forces(path: object, forced: Tensor, kicks: Tensor, *, dt_fs: float, tolerance: float) -> None:
    """Compare dt F/m with the kicks of the positions; the factor between them goes as dt^2."""
    inverse, rest = _fit(kicks, forced)
    if not rest <= max(0.1, tolerance):
        raise DataError(
            f"{path}: the forces in the file do not make its motion (they leave {100 * rest:.2g} % of the kicks): a "
            "thermostat, a constraint, other masses or another level of theory; data.trajectories.verify=false learns "
            "from positions alone"
        )
    if abs(inverse - 1.0) > tolerance:
        raise ConfigError(
            f"{path}: the forces in the file make kicks that are {1.0 / inverse:.4g} times those between its "
            f"frames with dt {dt_fs:.6g} fs: either it is about {dt_fs * math.sqrt(abs(inverse)):.4g} "
            "fs (data.trajectories.dt_fs), or masses or units are others (verify=false uses positions alone)"
        )


def _fit(values: Tensor, by: Tensor) -> tuple[float, float]:
    """The factor c of the least-squares fit values = c by, and what it leaves as part of the values."""
    squared = float(by.square().sum())
    if squared == 0.0:
        return 0.0, 1.0
    factor = float((values * by).sum()) / squared
    return factor, _rms(values - factor * by) / _rms(values)


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
