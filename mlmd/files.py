"""Writes files atomically, and turns errors of the operating system into one-line messages."""

import contextlib
import errno
import io
import json
import math
import os
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from mlmd.errors import ConfigError, DataError

_TEMPORARY_SUFFIX = ".tmp"
_TEMPORARY_NAME = re.compile(rf"\..+\.\d+\.[0-9a-f]{{8}}{re.escape(_TEMPORARY_SUFFIX)}")

MAX_NAME = 80
"""Letters of a name that becomes a part of a path."""

# Reason and remedy by error number of the operating system.
_REASONS = {
    errno.ENOSPC: "no space is left on the disk; free some or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file grew beyond the allowed size; raise the limit or write fewer frames",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission denied; choose a folder you may write to",
    errno.EPERM: "permission denied; choose a folder you may write to",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
    errno.EEXIST: "a part of the path is a file, not a folder; choose another folder",
    errno.EISDIR: "it is a folder, not a file; choose another name",
    errno.ENOENT: "a folder of the path does not exist or was removed; create it or choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def unwritable(path: str | Path, error: OSError) -> DataError:
    """The one-line error for a file or folder that cannot be written.

    >>> str(unwritable("runs/a.h5", OSError(errno.ENOSPC, "")))
    'cannot write runs/a.h5: no space is left on the disk; free some or choose another folder'
    """
    description = " ".join((error.strerror or str(error)).split())
    reason = _REASONS.get(error.errno or 0, f"{description}; choose another folder")
    return DataError(f"cannot write {path}: {reason}")


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn an error of the operating system inside the block into the one-line error for ``path``.

    Raises:
        DataError: the block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends without an error.

    The bytes are on the disk (fsync) before the file is renamed. A reader of ``path`` therefore finds the old file or
    the new one, never a part, also after a crash. Missing folders are created.

    Args:
        path: the file to write.

    Yields:
        The temporary path to write to. It is in the same folder and starts with a dot.

    Raises:
        DataError: the operating system refused a write; the message names ``path`` and the reason.
    """
    target = Path(path)
    # The random part separates threads of one process.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}{_TEMPORARY_SUFFIX}")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            put_in_place(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def put_in_place(source: Path, target: Path) -> None:
    """Rename a finished file after its bytes have reached the disk (fsync).

    Raises:
        OSError: it cannot be synced or renamed.
    """
    _sync(source)
    source.replace(target)
    # Some network file systems cannot sync a folder; the file itself is on the disk already.
    with contextlib.suppress(OSError):
        _sync(target.parent)


def remove_temporaries(folder: str | Path) -> None:
    """Remove temporary files of killed processes from the folder of a run, where one process writes at a time.

    Folders inside belong to the run, except those of other runs, which have a ``config.yaml``.
    """
    inner = [path for path in Path(folder).iterdir() if path.is_dir() and not (path / "config.yaml").exists()]
    for path in (Path(folder), *inner):
        for leftover in path.iterdir():
            if _TEMPORARY_NAME.fullmatch(leftover.name):
                leftover.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8 atomically.

    Raises:
        DataError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, mapping: Mapping[str, Any]) -> None:
    """Write a mapping as JSON atomically: indented by 2, keys in the order given, non-finite numbers as null.

    Raises:
        DataError: it cannot be written.
        TypeError: a value has no form in JSON; nothing is written then.
    """
    write_text(path, json.dumps(as_json(mapping), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def as_json(value: Any) -> Any:
    """The value with containers and numbers converted to those of JSON; non-finite numbers become None.

    JSON has no NaN, and most readers reject a file that contains one.

    >>> as_json({"mae": float("nan"), "shape": (2, 3)})
    {'mae': None, 'shape': [2, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    raise TypeError(f"JSON cannot hold a {type(value).__name__}: {value!r}")


def require_writable_folder(path: str | Path) -> Path:
    """Create the folder if it is missing and check with a small file that it can be written, before a long run starts.

    Args:
        path: the folder.

    Returns:
        The folder.

    Raises:
        DataError: it is read-only, full, forbidden, or not a folder.
    """
    folder = Path(path)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # The file has no name, so a killed process leaves nothing.
        with tempfile.TemporaryFile(dir=folder) as probe:
            # One block, because a full disk still accepts an empty file.
            probe.write(bytes(4096))
            probe.flush()
            os.fsync(probe.fileno())
    return folder


def require_readable_file(path: str | Path, *, kind: str) -> None:
    """Check that a file can be opened for reading.

    Args:
        path: the file.
        kind: expected kind of file, for the error, such as 'mlmd checkpoint'.

    Raises:
        DataError: it is missing, a folder or forbidden.
    """
    try:
        if Path(path).exists() and not (Path(path).is_file() or Path(path).is_dir()):
            raise DataError(f"cannot read {path}: it is a pipe or a device, not an {kind}; check the path")
        with Path(path).open("rb"):
            pass
    except IsADirectoryError as error:
        raise DataError(f"cannot read {path}: it is a folder; give the {kind} inside it") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"cannot read {path}: there is no such file; check the path") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; check that you may read it") from error


def require_plain_name(name: str, *, what: str) -> str:
    """A name that may become a part of a path: it leads to no other folder.

    Args:
        name: the name.
        what: where it comes from, for the error.

    Returns:
        The name.

    Raises:
        ConfigError: it is empty, starts with a dot, is too long, or holds a separator or a control character.
    """
    separators = any(letter in "/\\" or not letter.isprintable() for letter in name)
    if not name or name.startswith(".") or separators or len(name) > MAX_NAME:
        raise ConfigError(
            f"{what} = {name[:MAX_NAME]!r} must be a name of at most {MAX_NAME} letters, without a slash and not "
            "starting with a dot"
        )
    return name


class ErrorKeepingFile(io.FileIO):
    """A file that stores the first error of a write instead of raising it, and drops all later writes.

    It is meant for libraries that do not survive a failed write: HDF5 may end the process with a bus error when a disk
    is full. The caller has to call `raise_kept` when the library has closed the file, and may call it before.
    """

    kept: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all of the data; the number of bytes is returned even if the write failed."""
        left = memoryview(data).cast("B")
        n_bytes = len(left)
        try:
            while left and self.kept is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.kept = error
        return n_bytes

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size of the file."""
        try:
            if self.kept is None:
                return super().truncate(size)
        except OSError as error:
            self.kept = error
        return self.tell() if size is None else size

    def raise_kept(self) -> None:
        """Raise the first error, if there was one."""
        if self.kept is not None:
            raise self.kept


def _sync(path: Path) -> None:
    """Wait until the file or folder has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
