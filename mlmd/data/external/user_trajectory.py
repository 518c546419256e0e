"""Reads one trajectory file of a user, through ASE or as a file of mlmd, as kicks and drifts of one molecule."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlmd.data.external.ase_reader import read_frames
from mlmd.data.external.continuity import require_continuous
from mlmd.data.external.frame_times import SAME_DT, frame_spacing
from mlmd.data.external.leapfrog import leapfrog, position_resolution
from mlmd.data.external.same_molecule import check_molecule, net_momentum
from mlmd.errors import ConfigError, DataError
from mlmd.io.trajectory_file import read_trajectory
from mlmd.state import Trajectory
from mlmd.systems import System


@dataclass(frozen=True)
class UserTrajectory:
    """The content of one file.

    Attributes:
        path: the file.
        sha256: SHA-256 digest of the file.
        trajectory: the runs [replica, time, atom, xyz]; steps count the frames of the file.
        symbols: element symbols.
        masses_u: masses of the file, u; without them the standard atomic weights that ASE assumes.
        has_masses: whether the file contains masses.
        dt_fs: time between two frames, fs.
        kick_noise_A_per_fs: noise of a component of a kick due to rounded positions; 0 if kicks are exact.
        n_frames: number of frames in the file.
        notes: lines to print for the user.
    """

    path: Path
    sha256: str
    trajectory: Trajectory
    symbols: tuple[str, ...]
    masses_u: tuple[float, ...]
    has_masses: bool
    dt_fs: float
    kick_noise_A_per_fs: float
    n_frames: int
    notes: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """A description in plain values, to store beside results."""
        return {
            "path": str(self.path.resolve()),
            "sha256": self.sha256,
            "n_frames": self.n_frames,
            "n_replicas": self.trajectory.n_replicas,
            "dt_fs": self.dt_fs,
            "notes": list(self.notes),
        }


def read_user_trajectory(
    path: str | Path, *, dt_fs: float | None = None, verify: bool = True, system: System | None = None
) -> UserTrajectory:
    """Read a trajectory file: one of mlmd if its suffix is ``.h5``, any other through ASE.

    Args:
        path: the file.
        dt_fs: time between two frames, fs; None takes that of the file.
        verify: compare velocities and forces in the file with the motion.
        system: the molecule that the file must hold; its masses stand in for those of a file that has none. None holds
            the file against nothing.

    Raises:
        DataError: the file cannot be read, or is not the unbroken free motion of one molecule.
        ConfigError: its time step is unknown, or differs from ``dt_fs`` or from that of its velocities; or it holds
            another molecule than the system, or one in another unit of length.
    """
    path = Path(path)
    if path.suffix == ".h5":
        return _read_mlmd_trajectory(path, dt_fs, system)
    frames = read_frames(path)
    if system is not None:
        check_molecule(path, frames.symbols, frames.positions, system)
        if not frames.has_masses and net_momentum(frames.positions, system.masses_u) <= net_momentum(
            frames.positions, frames.masses_u
        ):
            frames = frames.with_masses(system.masses_u)
    spacing, notes = frame_spacing(frames, dt_fs)
    require_continuous(path, frames.positions, frames.symbols, position_resolution(frames.positions))
    made = leapfrog(frames, dt_fs=spacing, verify=verify)
    return UserTrajectory(
        path,
        _sha256(path),
        made.trajectory,
        frames.symbols,
        frames.masses_u,
        frames.has_masses,
        spacing,
        made.kick_noise_A_per_fs,
        len(frames),
        (*frames.notes, *notes, *made.notes),
    )


def _read_mlmd_trajectory(path: Path, dt_fs: float | None, system: System | None) -> UserTrajectory:
    """Read a trajectory of mlmd; its kicks are exact because every step must be stored."""
    trajectory, metadata = read_trajectory(path)
    try:
        symbols, masses = tuple(metadata["symbols"]), tuple(float(mass) for mass in metadata["masses_u"])
        stored_dt = float(metadata["dt_fs"])
    except KeyError as error:
        raise DataError(
            f"{path} has no {error} in its metadata; give a trajectory.h5 or reference.h5 of a run"
        ) from error
    if dt_fs is not None and not math.isclose(dt_fs, stored_dt, rel_tol=SAME_DT):
        raise ConfigError(f"data.trajectories.dt_fs = {dt_fs}, but {path} has {stored_dt} fs; leave dt_fs out")
    steps = trajectory.steps
    if len(steps) < 2 or int((steps[1:] - steps[:-1]).max()) > 1:
        raise DataError(
            f"{path} does not hold every step, so its kicks do not connect its frames; simulate with every=1, or write "
            "extended XYZ (xyz=true) and give that"
        )
    finite = trajectory.positions.isfinite().flatten(2).all(dim=2)
    if not bool(finite.all()):
        replica = int(finite.all(dim=1).int().argmin())
        frame = int(finite[replica].int().argmin())
        raise DataError(f"{path}: replica {replica} is not finite from frame {frame} on: it diverged; give other data")
    for positions in trajectory.positions:
        if system is not None:
            check_molecule(path, symbols, positions, system)
        require_continuous(path, positions, symbols, position_resolution(positions))
    notes = () if "checkpoint" not in metadata else (f"{path}: its kicks come from a predictor, except at injections",)
    sha256, n_frames = _sha256(path), len(trajectory)
    return UserTrajectory(path, sha256, trajectory, symbols, masses, True, stored_dt, 0.0, n_frames, notes)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
