"""Reads trajectory files of any program through ASE, and refuses those that hold no free motion.

What is refused: files that are empty, truncated or of no known format, atoms that change in number, order or mass,
constraints, periodic cells, numbers that are not finite.
"""

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlmd.data.external.xyz_text import SUFFIXES, XyzText, keep, read_xyz_text
from mlmd.errors import DataError
from mlmd.files import require_readable_file

VELOCITY_ARRAYS = ("velocities", "velocity", "vel", "velo")
"""Columns that other programs name so; ASE itself keeps momenta."""


@dataclass(frozen=True)
class FileFrames:
    """The frames of one file, as they stand in it.

    Attributes:
        path: the file.
        symbols: element symbols.
        masses_u: masses, u: the file's, else the standard atomic weights that ASE assumes.
        has_masses: whether they are the file's.
        positions: float64 [time, atom, xyz], A.
        velocities: the same shape, A/fs if their unit is what it should be; None where a frame has none.
        from_momenta: whether velocities come from ASE's momenta, in ASE's unit, rather than from a column of their own.
        forces: the same shape, eV/A; None where a frame has none.
        steps: MD step by frame, from ``step`` in the info, int64 [time].
        times_fs: time by frame, from ``time_fs``, float64 [time], fs.
        times: time by frame in an unknown unit, from ``time``, float64 [time].
        notes: lines to print for the user.
    """

    path: Path
    symbols: tuple[str, ...]
    masses_u: tuple[float, ...]
    has_masses: bool
    positions: Tensor
    velocities: Tensor | None
    from_momenta: bool
    forces: Tensor | None
    steps: Tensor | None
    times_fs: Tensor | None
    times: Tensor | None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of frames."""
        return self.positions.shape[0]

    @property
    def masses(self) -> Tensor:
        """Masses as float64 [atom, 1], u."""
        return torch.tensor(self.masses_u, dtype=torch.float64).unsqueeze(-1)

    def with_masses(self, masses_u: Sequence[float]) -> "FileFrames":
        """The same frames with other masses, u; velocities that come from momenta change with them."""
        masses = torch.tensor(masses_u, dtype=torch.float64).unsqueeze(-1)
        velocities = self.velocities
        if velocities is not None and self.from_momenta:
            velocities = velocities * self.masses / masses
        return replace(self, masses_u=tuple(masses_u), velocities=velocities)


def read_frames(path: str | Path) -> FileFrames:
    """Read all frames of a trajectory file that ASE reads.

    Args:
        path: extended XYZ, ``.traj``, or any other format of ``ase.io``.

    Raises:
        DataError: it is missing, empty, truncated or of no known format, or holds what the module's description names.
    """
    path = Path(path)
    require_readable_file(path, kind="trajectory file")
    if path.stat().st_size == 0:
        raise DataError(f"cannot read {path}: it is empty, it holds no frame; check the path or copy it again")
    text = read_xyz_text(path) if path.suffix.lower() in SUFFIXES else None
    rows: list[_Row] = []
    for atoms in _images(path, text):
        if not rows:
            first = atoms
        _check_frame(atoms, first, f"{path}: frame {len(rows)}")
        rows.append(_row(atoms))
    from_momenta = all(row.from_momenta for row in rows)
    is_one_kind = from_momenta or not any(row.from_momenta for row in rows)
    velocities = [row.velocities if is_one_kind else None for row in rows]
    if text is not None and text.velocities is not None:
        velocities = list(text.velocities)
    return FileFrames(
        path=path,
        symbols=tuple(first.get_chemical_symbols()),
        masses_u=tuple(float(mass) for mass in first.get_masses()),
        has_masses=first.has("masses"),
        positions=torch.from_numpy(np.asarray([row.positions for row in rows], dtype=np.float64)),
        velocities=_of_all(velocities, path, "velocities"),
        from_momenta=from_momenta,
        forces=_of_all([row.forces for row in rows], path, "forces"),
        steps=_numbers([row.step for row in rows], torch.int64),
        times_fs=_numbers([row.time_fs for row in rows], torch.float64),
        times=_numbers([row.time for row in rows], torch.float64),
        notes=() if text is None else text.notes,
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """What is kept of a frame: ASE's atoms are ten times as large."""

    positions: Any
    velocities: Any
    from_momenta: bool
    forces: Any
    step: float | None
    time_fs: float | None
    time: float | None


def _row(atoms: Any) -> _Row:
    from ase import units

    from_momenta = atoms.has("momenta")
    if from_momenta:
        velocities = atoms.get_velocities() * units.fs
    else:
        velocities = next((atoms.arrays[name] for name in VELOCITY_ARRAYS if name in atoms.arrays), None)
    forces = None if atoms.calc is None else atoms.calc.results.get("forces")
    times = (_number(atoms.info.get(key)) for key in ("step", "time_fs", "time"))
    return _Row(atoms.positions, velocities, from_momenta, forces, *times)


def _number(value: Any) -> float | None:
    """A number of the info; a key without a value is True to ASE."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return float(value) if is_number else None


def _images(path: Path, text: XyzText | None) -> Iterator[Any]:
    """ASE's atoms, frame by frame; whatever its reader fails with becomes one line that counts the frames before."""
    import ase.io
    from ase.io.formats import UnknownFileTypeError

    if text is None:
        images = ase.io.iread(path, ":", do_not_split_by_at_sign=True)
    else:
        images = ase.io.iread(text.file(), ":", format="extxyz") if text.n_frames else iter(())
    for n_read in itertools.count():
        try:
            with warnings.catch_warnings():
                # Readers warn of what they skip; nothing that is skipped is needed.
                warnings.simplefilter("ignore")
                atoms = next(images)
        except StopIteration:
            if n_read == 0:
                raise DataError(f"cannot read {path}: it holds no frame; check the path or copy it again") from None
            if text is not None and n_read < text.n_frames:
                raise DataError(f"cannot read {path}: ASE reads {n_read} of its {text.n_frames} frames") from None
            return
        except UnknownFileTypeError as error:
            raise DataError(
                f"cannot read {path}: it is in no format that ASE knows; name it .extxyz or .traj"
            ) from error
        except Exception as error:
            kind = "it is truncated or damaged" if text is None else "its reader stops"
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise DataError(
                f"cannot read {path}: {kind} after {n_read} whole frames ({reason}); copy it again{keep(n_read)}"
            ) from error
        yield atoms


def _check_frame(atoms: Any, first: Any, where: str) -> None:
    """Refuse a frame that does not belong to the free motion of the same molecule."""
    if len(atoms) != len(first):
        raise DataError(f"{where} has {len(atoms)} atoms, the first has {len(first)}; give one molecule a file")
    if (atoms.numbers != first.numbers).any():
        atom = int((atoms.numbers != first.numbers).argmax())
        was, now = first.get_chemical_symbols()[atom], atoms.get_chemical_symbols()[atom]
        raise DataError(f"{where}: atom {atom} is {now}, in the first frame it is {was}; keep the order of the atoms")
    if not np.allclose(atoms.get_masses(), first.get_masses(), rtol=1e-9):
        raise DataError(f"{where}: its masses differ from those of the first frame; keep the order of the atoms")
    if atoms.constraints:
        names = ", ".join(sorted({type(constraint).__name__ for constraint in atoms.constraints}))
        raise DataError(f"{where} has constraints ({names}); mlmd learns free motion: run the MD without them")
    if atoms.pbc.any():
        raise DataError(
            f"{where} is periodic (pbc {atoms.pbc.tolist()}); mlmd learns free molecules: if this is one in a box, "
            "never wrapped, write the file anew with atoms.pbc = False and no cell"
        )
    if not np.isfinite(atoms.positions).all():
        atom = int((~np.isfinite(atoms.positions)).any(axis=1).argmax())
        raise DataError(f"{where}: the position of atom {atom} is no number; leave out the frames from there on")


def _numbers(values: list[float | None], dtype: torch.dtype) -> Tensor | None:
    """A number of every frame's info [time]; None where a frame has none."""
    if any(value is None for value in values):
        return None
    return torch.tensor(values, dtype=torch.float64).to(dtype)


def _of_all(frames: list[Any], path: Path, what: str) -> Tensor | None:
    """Velocities or forces of all frames; None where a frame has none."""
    if any(frame is None for frame in frames):
        return None
    stacked = torch.from_numpy(np.asarray(frames, dtype=np.float64))
    finite = stacked.isfinite().flatten(1).all(dim=1)
    if not bool(finite.all()):
        raise DataError(f"{path}: frame {int(finite.int().argmin())}: its {what} are no numbers; leave it out")
    return stacked
