"""Files of a user's and the system that is to be simulated: that they are the same molecule, then the splits."""

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
from mlmd.data.external.user_trajectory import OwnTrajectory, read_own_trajectory
from mlmd.errors import ConfigError, DataError
from mlmd.files import write_json
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.units import ACCELERATION, BOLTZMANN_EV_PER_K

SAME_MASS = 1e-6
"""Relative difference below which two masses are one; extended XYZ has eight decimals."""

NET_MOMENTUM = 1e-3
"""Momentum that kicks may bring in, as part of what they exchange, beside the noise of rounded positions."""

MOVING_CENTRE = 0.1
"""Speed of the centre of mass, as part of the atoms' root mean square, that is worth telling."""

_ISOTOPES = {"D": "H", "T": "H"}


@dataclass(frozen=True)
class OwnData:
    """What is learned from files.

    Attributes:
        splits: stretches by "train", "val" and "test".
        sources: plain values by file, in their order: path, digest, frames, time step.
        notes: lines worth telling the user.
    """

    splits: dict[str, Trajectory]
    sources: list[dict[str, Any]]
    notes: tuple[str, ...]

    def describe(self) -> str:
        """One line of how many frames went where.

        >>> frames = torch.zeros(3, 50, 2, 3)
        >>> splits = dict.fromkeys(("train", "val", "test"), Trajectory(torch.arange(50), frames, frames, frames))
        >>> OwnData(splits, [{"n_frames": 500}], ()).describe()
        'train 3 x 50, val 3 x 50, test 3 x 50 frames from 1 file of 500 frames'
        """
        counts = ", ".join(f"{name} {split.n_replicas} x {len(split)}" for name, split in self.splits.items())
        n_frames = sum(source["n_frames"] for source in self.sources)
        return f"{counts} frames from {len(self.sources)} file{'s' * (len(self.sources) > 1)} of {n_frames} frames"

    def write(self, path: str | Path) -> None:
        """Write where the data comes from as JSON, atomically."""
        sizes = {name: {"n_stretches": split.n_replicas, "n_steps": len(split)} for name, split in self.splits.items()}
        write_json(path, {"sources": self.sources, "splits": sizes})

    def require_sources_of(self, path: str | Path) -> None:
        """Refuse to go on with other data than that of a file of `write`.

        Raises:
            DataError: a trajectory file has changed since, or the file is missing or damaged.
        """
        try:
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
            were = [source["sha256"] for source in stored["sources"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"cannot read {path}: it does not say where the run's data came from; start anew"
            ) from error
        changed = [source["path"] for source in self.sources if source["sha256"] not in were]
        if changed or len(were) != len(self.sources):
            raise DataError(f"{', '.join(changed) or 'data'}: changed since this run began; put it back or start anew")


def own_data(plan: FilePlan, system: System, *, n_history: int = 0) -> OwnData:
    """Read the files of a plan, hold them against the system and split them.

    Args:
        plan: which files, and how they are split.
        system: what is to be simulated.
        n_history: frames of a stretch that a predictor reads before it is judged.

    Raises:
        ConfigError: a file is of another molecule, order of atoms, mass or time step than the system.
        DataError: a file cannot be read or holds no free motion, two hold the same bytes, or a split is too short.
    """
    sources = [read_own_trajectory(path, dt_fs=plan.dt_fs, verify=plan.verify) for path in plan.files]
    seen: dict[str, Path] = {}
    for source in sources:
        if source.sha256 in seen:
            raise DataError(f"{source.path} and {seen[source.sha256]} are the same bytes; name each trajectory once")
        seen[source.sha256] = source.path
        _check_atoms(source, system)
        _check_masses(source, system)
        _check_dt(source, system)
    notes = [note for source in sources for note in source.notes]
    notes += [note for source in sources for note in _moving_centre(source, system)]
    hot = [_temperature_K(source, system) for source in sources]
    notes.append(f"kinetic temperature {min(hot):.0f} to {max(hot):.0f} K by file; let the regime be no hotter")
    runs = [
        source.trajectory.frames(0, len(source.trajectory), slice(replica, replica + 1))
        for source in sources
        for replica in range(source.trajectory.n_replicas)
    ]
    splits = split_runs(runs, plan)
    for name, split in splits.items():
        if len(split) <= n_history:
            cure = "n_steps" if name == "train" else f"{name}_fraction"
            raise DataError(
                f"the {name} split has {len(split)} frames in a row, but a predictor is judged after {n_history}; give "
                f"a longer trajectory, or raise data.trajectories.{cure}"
            )
    return OwnData(splits, [source.record() for source in sources], tuple(notes))


def _check_atoms(source: OwnTrajectory, system: System) -> None:
    ours, theirs = (
        [_ISOTOPES.get(symbol, symbol) for symbol in symbols] for symbols in (system.symbols, source.symbols)
    )
    if ours == theirs:
        return
    said = f"{source.path} holds {' '.join(source.symbols)}, but system {system.name} is {' '.join(system.symbols)}"
    if sorted(ours) == sorted(theirs):
        raise ConfigError(f"{said}: the same atoms in another order; write the file's atoms in the system's order")
    raise ConfigError(f"{said}; choose the system of the file (system=...)")


def _check_masses(source: OwnTrajectory, system: System) -> None:
    """The file's masses are the system's; where it has none, its kicks add up to nothing with the system's."""
    cure = "system.masses_u=[" + ",".join(f"{mass:.9g}" for mass in source.masses_u) + "], where it takes them"
    if source.has_masses:
        for symbol, theirs, ours in zip(source.symbols, source.masses_u, system.masses_u, strict=True):
            if not math.isclose(theirs, ours, rel_tol=SAME_MASS):
                raise ConfigError(
                    f"{source.path}: {symbol} weighs {theirs:.9g} u, in system {system.name} {ours:.9g} u; give the "
                    f"system the file's masses: {cure}"
                )
    net = _net_momentum(source, system.masses())
    if net <= NET_MOMENTUM:
        return
    said = f"{source.path}: with the masses of system {system.name} its kicks bring in momentum ({100 * net:.2g} %)"
    if _net_momentum(source, torch.tensor(source.masses_u, dtype=torch.float64)) <= NET_MOMENTUM:
        raise ConfigError(f"{said}, with standard atomic weights they do not; give the system those: {cure}")
    raise DataError(f"{said}: an external force, a thermostat, or other masses; mlmd learns free motion (NVE)")


def _net_momentum(source: OwnTrajectory, masses: Tensor) -> float:
    """Root mean square of sum m u over that of m u, less what rounding makes of it; 0 where forces are internal."""
    impulses = masses.unsqueeze(-1) * source.trajectory.kicks
    rounding = 3.0 * source.kick_noise_A_per_fs**2 * float(masses.square().sum())
    net, all_of_it = (float(values.square().sum(-1).mean()) for values in (impulses.sum(dim=2), impulses))
    return math.sqrt(max(net - 2.0 * rounding, 0.0) / all_of_it)


def _check_dt(source: OwnTrajectory, system: System) -> None:
    if not same_spacing(source.dt_fs, system.dt_fs, n_frames=source.n_frames):
        raise ConfigError(
            f"{source.path} has {source.dt_fs:.9g} fs between frames, but system.dt_fs is {system.dt_fs:.9g}; give "
            f"system.dt_fs={source.dt_fs:.9g}"
        )


def _temperature_K(source: OwnTrajectory, system: System) -> float:
    """2 <KE> / ((3N - 3) k), the motion of the centre of mass left out."""
    velocities, masses = source.trajectory.velocities, system.masses().unsqueeze(-1)
    velocities = velocities - (masses * velocities).sum(dim=2, keepdim=True) / masses.sum()
    kinetic = float((masses * velocities.square()).sum(dim=(2, 3)).mean()) / (2.0 * ACCELERATION)
    return 2.0 * kinetic / (max(3 * system.n_atoms - 3, 1) * BOLTZMANN_EV_PER_K)


def _moving_centre(source: OwnTrajectory, system: System) -> list[str]:
    velocities, masses = source.trajectory.velocities, system.masses().unsqueeze(-1)
    centre = (masses * velocities).sum(dim=2) / masses.sum()
    part = float((centre.square().sum(-1).mean() / velocities.square().sum(-1).mean()).sqrt())
    if part <= MOVING_CENTRE:
        return []
    return [
        f"{source.path}: the centre of mass moves at {100 * part:.0f} % of the atoms' speed; models of three "
        "components (3v, 3u) read that too"
    ]
