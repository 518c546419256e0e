"""Writes trajectories as extended XYZ, for molecule viewers and for programs that read the formats of ASE."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlmd.errors import ConfigError, DataError
from mlmd.files import atomic_path
from mlmd.state import FrameSource

_CHUNK_FRAMES = 1000

# Isotopes with their own symbol; the file holds the element, and the mass distinguishes them.
_ELEMENTS = {"D": "H", "T": "H"}


def write_extended_xyz(
    path: str | Path,
    trajectory: FrameSource,
    *,
    symbols: Sequence[str],
    masses_u: Sequence[float],
    dt_fs: float,
    replica: int = 0,
    every: int = 1,
) -> None:
    """Write one replica; ``ase.io.read(path, ':')`` then returns atoms with masses and velocities.

    Positions are in A. Momenta are those of the on-step velocities v_n, in ASE's units (u A per ASE time unit):
    v_ASE = v / ase.units.fs with v in A/fs. The info of every frame holds step, time_fs and replica. ASE writes eight
    decimals. Frames are read and written in chunks.

    Args:
        path: the file to write.
        trajectory: the frames.
        symbols: element of every atom; D and T are written as H.
        masses_u: mass of every atom, u; isotopic, so D2 is H2 with the mass of deuterium.
        dt_fs: time step, fs.
        replica: index of the replica to write.
        every: number of frames from one written frame to the next.

    Raises:
        ConfigError: ``replica`` or ``every`` is out of range.
        DataError: symbols or masses do not fit the atoms, or the file cannot be written.
    """
    n_replicas, n_atoms = trajectory.n_replicas, trajectory.frames(0, 1).positions.shape[2]
    if not 0 <= replica < n_replicas:
        raise ConfigError(f"replica {replica} is not in the trajectory; choose one from 0 to {n_replicas - 1}")
    if every < 1:
        raise ConfigError(f"every = {every} must be at least 1; choose 1 for every frame")
    if not len(symbols) == len(masses_u) == n_atoms:
        raise DataError(
            f"cannot write {path}: {len(symbols)} symbols and {len(masses_u)} masses for {n_atoms} atoms; give one each"
        )
    from ase.data import atomic_numbers
    from ase.io.extxyz import write_xyz

    elements = [_ELEMENTS.get(symbol, symbol) for symbol in symbols]
    for element in elements:
        if element not in atomic_numbers:
            raise DataError(f"cannot write {path}: '{element}' is not a chemical element; give element symbols")
    frames = _atoms(trajectory, elements=elements, masses_u=masses_u, dt_fs=dt_fs, replica=replica, every=every)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        write_xyz(file, frames)


def _atoms(
    trajectory: FrameSource, *, elements: list[str], masses_u: Sequence[float], dt_fs: float, replica: int, every: int
) -> Iterator[Any]:
    """The frames as ASE atoms, one at a time."""
    from ase import Atoms, units

    size = _CHUNK_FRAMES * every
    for start in range(0, len(trajectory), size):
        chunk = trajectory.frames(start, min(start + size, len(trajectory)), slice(replica, replica + 1))
        positions, velocities = (values[0].detach().cpu().numpy() for values in (chunk.positions, chunk.velocities))
        for frame in range(0, len(chunk), every):
            step = int(chunk.steps[frame])
            atoms: Any = Atoms(elements, positions=positions[frame], masses=list(masses_u))
            atoms.set_velocities(velocities[frame] / units.fs)
            atoms.info.update(step=step, time_fs=step * dt_fs, replica=replica)
            yield atoms
