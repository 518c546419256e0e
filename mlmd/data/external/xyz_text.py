"""Looks through the lines of an XYZ file before ASE reads them.

ASE's reader stops at a blank line, takes half a number for a whole one, and gives neither line nor atom where it fails.
Here every line is counted: blank lines between frames are left out, and what is no frame is refused with its line.
"""

import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from ase.data import atomic_numbers

from mlmd.errors import DataError

SUFFIXES = (".xyz", ".extxyz")

_A_PER_PS = 1e-3
_COLUMNS_OF_DFTB = 8
"""Symbol, three coordinates, charge and three velocities in A/ps: DFTB+ writes them into geo_end.xyz."""


@dataclass(frozen=True)
class XyzText:
    """The text of an XYZ file as ASE is to read it.

    Attributes:
        text: lines of all frames, without blank lines between them.
        n_frames: number of frames.
        velocities: float64 [time, atom, xyz], A/fs, of columns that ASE does not read; None where there are none.
        notes: lines to print for the user.
    """

    text: str
    n_frames: int
    velocities: np.ndarray | None
    notes: tuple[str, ...]

    def file(self) -> io.StringIO:
        """The text as an open file."""
        return io.StringIO(self.text)


@dataclass(frozen=True)
class _Frame:
    """The lines of one frame, and the number of its first line, from 1."""

    lines: list[str]
    first: int

    @property
    def comment(self) -> str:
        return self.lines[1]

    @property
    def atoms(self) -> list[str]:
        return self.lines[2:]


def read_xyz_text(path: Path) -> XyzText:
    """Read the lines of an XYZ file and check that they are whole frames.

    Args:
        path: XYZ or extended XYZ.

    Raises:
        DataError: it is truncated, or a line is not what XYZ says; line, frame and atom are named.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"cannot read {path}: byte {error.start} is no UTF-8 text; save it as plain text or check the path"
        ) from error
    frames: list[_Frame] = []
    for frame in _frames(path, text):
        if "Properties=" not in frame.comment:
            for atom, line in enumerate(frame.atoms):
                _check_atom(path, line, f"line {frame.first + 2 + atom}, atom {atom} of frame {len(frames)}")
        frames.append(frame)
    if frames:
        _check_end(path, text, len(frames))
    velocities = _velocities_of_dftb(frames)
    notes = () if velocities is not None else _unread_columns(path, frames)
    joined = "\n".join(itertools.chain.from_iterable(frame.lines for frame in frames))
    return XyzText(joined + "\n", len(frames), velocities, notes)


def truncated(path: Path, n_whole: int) -> str:
    """What to say of a file that ends within a frame."""
    return f"cannot read {path}: it is truncated after {n_whole} whole frames; copy it again{keep(n_whole)}"


def keep(n_whole: int) -> str:
    """How the frames before a damage are kept; nothing where there are none."""
    return f", or keep those before (ase.io.read takes index=':{n_whole}')" if n_whole else ""


def _frames(path: Path, text: str) -> Iterator[_Frame]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    position, n_whole = 0, 0
    while position < len(lines):
        head = lines[position].strip()
        if not head:
            position += 1
            continue
        if not re.fullmatch(r"\d{1,9}", head) or int(head) < 1:
            _refuse(path, f"line {position + 1} must be the number of atoms of frame {n_whole}, but is {head[:40]!r}")
        end = position + 2 + int(head)
        if end > len(lines):
            raise DataError(truncated(path, n_whole))
        yield _Frame([line.rstrip("\r") for line in lines[position:end]], position + 1)
        position, n_whole = end, n_whole + 1


def _check_atom(path: Path, line: str, where: str) -> None:
    """Refuse a line of plain XYZ that is no symbol with three numbers."""
    columns = line.split()
    if len(columns) < 4:
        _refuse(path, f"{where}: {line.strip()[:60]!r} is no symbol with three coordinates")
    symbol, *numbers = columns
    if symbol not in atomic_numbers:
        hint = "write symbols for atomic numbers" if symbol.isdigit() else "write symbols such as H and Cl"
        _refuse(path, f"{where}: {symbol[:20]!r} is no element symbol; {hint}")
    for number in numbers[:3]:
        try:
            float(number)
        except ValueError:
            is_fortran = re.fullmatch(r"[-+]?\d*\.?\d*[dD][-+]?\d+", number)
            cure = "write its exponent with E, not with D as Fortran does" if is_fortran else "write the file again"
            _refuse(path, f"{where}: {number[:40]!r} is no number; {cure}")


def _refuse(path: Path, problem: str) -> NoReturn:
    raise DataError(f"cannot read {path}: {problem}")


def _check_end(path: Path, text: str, n_frames: int) -> None:
    """Refuse a last line that ends within a number: it has no end of line, and fewer digits than the line before."""
    if text.endswith("\n"):
        return
    before, last = text.split("\n")[-2:]
    columns = last.split()
    others = before.split()
    if len(others) != len(columns):  # one atom: the line before is a comment
        others = text.split("\n")[2].split()
    if len(columns) != len(others) or _decimals(columns[-1]) != _decimals(others[-1]):
        raise DataError(truncated(path, n_frames - 1))


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def _velocities_of_dftb(frames: list[_Frame]) -> np.ndarray | None:
    """Velocities of DFTB+'s columns, A/fs."""
    if not frames or not all(frame.comment.strip().startswith("MD iter") for frame in frames):
        return None
    rows = [[line.split() for line in frame.atoms] for frame in frames]
    if any(len(columns) != _COLUMNS_OF_DFTB for row in rows for columns in row) or len({len(row) for row in rows}) != 1:
        return None
    try:
        return np.array([[columns[5:8] for columns in row] for row in rows], dtype=np.float64) * _A_PER_PS
    except ValueError:
        return None


def _unread_columns(path: Path, frames: list[_Frame]) -> tuple[str, ...]:
    if not frames or "Properties=" in frames[0].comment:
        return ()
    n_columns = min(len(line.split()) for line in frames[0].atoms)
    if n_columns <= 4:
        return ()
    return (
        f"{path}: columns 5 to {n_columns} are not read, since nothing names them; extended XYZ does "
        "(Properties=species:S:1:pos:R:3:velocities:R:3)",
    )
