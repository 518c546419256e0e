"""Reads a user's trajectory files, checks that they fit the simulated system, and splits them."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mlmd.data.external.file_plan import FilePlan
from mlmd.data.external.frame_times import same_spacing
from mlmd.data.external.run_splits import split_runs
from mlmd.data.external.same_molecule import standard_masses
from mlmd.data.external.user_trajectory import UserTrajectory, read_user_trajectory
from mlmd.errors import ConfigError, DataError
from mlmd.files import write_json
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.units import ACCELERATION, BOLTZMANN_EV_PER_K

SAME_MASS = 1e-6
"""Relative difference below which two masses are equal; extended XYZ has eight decimals."""

NET_MOMENTUM = 1e-3
"""Largest net momentum of the kicks, as part of their size, beyond the noise of rounded positions."""

MOVING_CENTRE = 0.1
"""Speed of the centre of mass, as part of the atoms' root mean square, above which a note is printed."""


@dataclass(frozen=True)
class UserData:
    """Training data from a user's files.

    Attributes:
        splits: stretches by "train", "val" and "test".
        sources: description of each file in plain values: path, digest, frames, time step.
        notes: lines to print for the user.
    """

    splits: dict[str, Trajectory]
    sources: list[dict[str, Any]]
    notes: tuple[str, ...]

    def describe(self) -> str:
        """One line with the number of stretches and frames of each split.

        >>> frames = torch.zeros(3, 50, 2, 3)
        >>> splits = dict.fromkeys(("train", "val", "test"), Trajectory(torch.arange(50), frames, frames, frames))
        >>> UserData(splits, [{"n_frames": 500}], ()).describe()
        'train 3 x 50, val 3 x 50, test 3 x 50 frames from 1 file of 500 frames'
        """
        counts = ", ".join(f"{name} {split.n_replicas} x {len(split)}" for name, split in self.splits.items())
        n_frames = sum(source["n_frames"] for source in self.sources)
        return f"{counts} frames from {len(self.sources)} file{'s' * (len(self.sources) > 1)} of {n_frames} frames"

    def write(self, path: str | Path) -> None:
        """Write the sources and the sizes of the splits as JSON, atomically."""
        sizes = {name: {"n_stretches": split.n_replicas, "n_steps": len(split)} for name, split in self.splits.items()}
        write_json(path, {"sources": self.sources, "splits": sizes})

    def require_sources_of(self, path: str | Path) -> None:
        """Check that the sources are those that `write` stored in a file.

        Raises:
            DataError: a trajectory file has changed since then, or the stored file is missing or damaged.
        """
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            were = [source["sha256"] for source in stored["sources"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"cannot read {path}: it does not contain the sources of the run's data; start a new run"
            ) from error
        changed = [source["path"] for source in self.sources if source["sha256"] not in were]
        if changed or len(were) != len(self.sources):
            raise DataError(
                f"{', '.join(changed) or 'data'}: changed since this run started; restore it or start a new run"
            )


def read_user_data(plan: FilePlan, system: System, *, n_history: int = 0) -> UserData:
    """Read the files of a plan, check them against the system, and split them.

    Args:
        plan: the files, and how they are split.
        system: the system to be simulated.
        n_history: number of frames that a predictor reads before its predictions are evaluated.

    Raises:
        ConfigError: molecule, order of atoms, unit of length, masses or time step of a file differ from those of the
            system.
        DataError: a file cannot be read or is not free motion, two files are identical, or a split is too short.
    """
    sources = [read_user_trajectory(path, dt_fs=plan.dt_fs, verify=plan.verify, system=system) for path in plan.files]
    seen: dict[str, Path] = {}
    for source in sources:
        if source.sha256 in seen:
            raise DataError(f"{source.path} and {seen[source.sha256]} are identical; give each trajectory once")
        seen[source.sha256] = source.path
        _check_masses(source, system)
        _check_dt(source, system)
    notes = [note for source in sources for note in source.notes]
    notes += [note for source in sources for note in _moving_centre(source, system)]
    temperatures = [_temperature_K(source, system) for source in sources]
    notes.append(
        f"kinetic temperature {min(temperatures):.0f} to {max(temperatures):.0f} K by file; choose a regime that is "
        "not hotter"
    )
    runs = [
        source.trajectory.frames(0, len(source.trajectory), slice(replica, replica + 1))
        for source in sources
        for replica in range(source.trajectory.n_replicas)
    ]
    splits = split_runs(runs, plan)
    for name, split in splits.items():
        if len(split) <= n_history:
            remedy = "n_steps" if name == "train" else f"{name}_fraction"
            raise DataError(
                f"the {name} split has {len(split)} frames in a row, but a predictor is evaluated after {n_history}; "
                f"give a longer trajectory, or raise data.trajectories.{remedy}"
            )
    return UserData(splits, [source.record() for source in sources], tuple(notes))


def _check_masses(source: UserTrajectory, system: System) -> None:
    """Raise an error if the masses of file and system differ, or kicks with the system's masses have net momentum."""
    remedy = "system.masses_u=[" + ",".join(f"{mass:.9g}" for mass in source.masses_u) + "] (if it has this key)"
    if source.has_masses:
        for symbol, theirs, ours in zip(source.symbols, source.masses_u, system.masses_u, strict=True):
            if not math.isclose(theirs, ours, rel_tol=SAME_MASS):
                raise ConfigError(
                    f"{source.path}: {symbol} weighs {theirs:.9g} u, in system {system.name} {ours:.9g} u; give the "
                    f"system the file's masses: {remedy}"
                )
    net = _net_momentum(source, system.masses())
    if net <= NET_MOMENTUM:
        return
    problem = f"{source.path}: with the masses of system {system.name} its kicks have net momentum ({100 * net:.2g} %)"
    weights = standard_masses(source.symbols)
    if _net_momentum(source, torch.tensor(weights, dtype=torch.float64)) <= NET_MOMENTUM:
        remedy = "system.masses_u=[" + ",".join(f"{mass:.9g}" for mass in weights) + "] (if it has this key)"
        raise ConfigError(f"{problem}, with standard atomic weights they have none; give the system those: {remedy}")
    raise DataError(f"{problem}: an external force, a thermostat, or other masses; mlmd needs free motion (NVE)")


def _net_momentum(source: UserTrajectory, masses: Tensor) -> float:
    """Root mean square of sum m u over that of m u, less the part due to rounding; 0 for internal forces alone."""
    impulses = masses.unsqueeze(-1) * source.trajectory.kicks
    rounding = 3.0 * source.kick_noise_A_per_fs**2 * float(masses.square().sum())
    net, total = (float(values.square().sum(-1).mean()) for values in (impulses.sum(dim=2), impulses))
    return math.sqrt(max(net - 2.0 * rounding, 0.0) / total)


def _check_dt(source: UserTrajectory, system: System) -> None:
    if not same_spacing(source.dt_fs, system.dt_fs, n_frames=source.n_frames):
        raise ConfigError(
            f"{source.path} has {source.dt_fs:.9g} fs between frames, but system.dt_fs is {system.dt_fs:.9g}; give "
            f"system.dt_fs={source.dt_fs:.9g}"
        )


def _temperature_K(source: UserTrajectory, system: System) -> float:
    """Kinetic temperature 2 <KE> / ((3N - 3) k), without the motion of the centre of mass."""
    velocities, masses = source.trajectory.velocities, system.masses().unsqueeze(-1)
    velocities = velocities - (masses * velocities).sum(dim=2, keepdim=True) / masses.sum()
    kinetic = float((masses * velocities.square()).sum(dim=(2, 3)).mean()) / (2.0 * ACCELERATION)
    return 2.0 * kinetic / (max(3 * system.n_atoms - 3, 1) * BOLTZMANN_EV_PER_K)


def _moving_centre(source: UserTrajectory, system: System) -> list[str]:
    velocities, masses = source.trajectory.velocities, system.masses().unsqueeze(-1)
    centre = (masses * velocities).sum(dim=2) / masses.sum()
    part = float((centre.square().sum(-1).mean() / velocities.square().sum(-1).mean()).sqrt())
    if part <= MOVING_CENTRE:
        return []
    return [
        f"{source.path}: the centre of mass moves at {100 * part:.0f} % of the atoms' speed; Cartesian "
        "models (3v, 3u) have that motion in their inputs"
    ]
