"""A user's own trajectory: a file that ASE reads, or one of mlmd's, as the kicks and drifts of one molecule."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlmd.data.external.ase_reader import read_frames
from mlmd.data.external.frame_times import SAME_DT, frame_spacing
from mlmd.data.external.leapfrog import leapfrog
from mlmd.errors import ConfigError, DataError
from mlmd.io.trajectory_file import read_trajectory
from mlmd.state import Trajectory


@dataclass(frozen=True)
class OwnTrajectory:
    """What one file holds.

    Attributes:
        path: the file.
        sha256: digest of its bytes.
        trajectory: its runs [replica, time, atom, xyz]; steps count frames of the file.
        symbols: element symbols.
        masses_u: masses, u: the file's, else the standard atomic weights that ASE assumes.
        has_masses: whether they are the file's.
        dt_fs: time between two frames, fs.
        kick_noise_A_per_fs: what the rounding of positions leaves in a component of a kick; 0 where kicks are exact.
        n_frames: frames in the file.
        notes: lines worth telling the user.
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
        """Plain values to store beside results."""
        return {
            "path": str(self.path.resolve()),
            "sha256": self.sha256,
            "n_frames": self.n_frames,
            "n_replicas": self.trajectory.n_replicas,
            "dt_fs": self.dt_fs,
            "notes": list(self.notes),
        }


def read_own_trajectory(path: str | Path, *, dt_fs: float | None = None, verify: bool = True) -> OwnTrajectory:
    """Read a trajectory file: mlmd's own by the suffix ``.h5``, any other through ASE.

    Args:
        path: the file.
        dt_fs: time between two frames, fs; None takes what the file says.
        verify: compare velocities and forces in the file with the motion.

    Raises:
        DataError: it cannot be read or holds no free motion of one molecule.
        ConfigError: its time step is not known, or differs from ``dt_fs`` or from what its velocities say.
    """
    path = Path(path)
    if path.suffix == ".h5":
        return _read_store(path, dt_fs)
    frames = read_frames(path)
    spacing, notes = frame_spacing(frames, dt_fs)
    made = leapfrog(frames, dt_fs=spacing, verify=verify)
    return OwnTrajectory(
        path,
        _sha256(path),
        made.trajectory,
        frames.symbols,
        frames.masses_u,
        frames.has_masses,
        spacing,
        made.kick_noise_A_per_fs,
        len(frames),
        (*notes, *made.notes),
    )


def _read_store(path: Path, dt_fs: float | None) -> OwnTrajectory:
    """A trajectory of mlmd, whose kicks are exact where every step is stored."""
    trajectory, metadata = read_trajectory(path)
    try:
        symbols, masses = tuple(metadata["symbols"]), tuple(float(mass) for mass in metadata["masses_u"])
        stored_dt = float(metadata["dt_fs"])
    except KeyError as error:
        raise DataError(f"{path} does not say its {error}; give a trajectory.h5 or reference.h5 of a run") from error
    if dt_fs is not None and not math.isclose(dt_fs, stored_dt, rel_tol=SAME_DT):
        raise ConfigError(f"data.trajectories.dt_fs = {dt_fs}, but {path} has {stored_dt} fs; leave dt_fs out")
    steps = trajectory.steps
    if len(steps) < 2 or int((steps[1:] - steps[:-1]).max()) > 1:
        raise DataError(
            f"{path} does not hold every step, so its kicks do not join its frames; simulate with every=1, or write "
            "extended XYZ (xyz=true) and give that"
        )
    sound = trajectory.positions.isfinite().flatten(2).all(dim=2)
    if not bool(sound.all()):
        replica = int(sound.all(dim=1).int().argmin())
        frame = int(sound[replica].int().argmin())
        raise DataError(f"{path}: replica {replica} is no number from frame {frame} on: it diverged; give other data")
    notes = () if "checkpoint" not in metadata else (f"{path}: its kicks are those of a predictor, injections aside",)
    return OwnTrajectory(path, _sha256(path), trajectory, symbols, masses, True, stored_dt, 0.0, len(trajectory), notes)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
