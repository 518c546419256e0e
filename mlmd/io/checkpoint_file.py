"""Loads checkpoint files: checksums are verified first, and only tensors and plain values are accepted."""

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from mlmd.errors import DataError
from mlmd.files import require_readable_file
from mlmd.io.content_digest import require_digest
from mlmd.io.migrations import VERSION_KEY, migrate_checkpoint


def load_checkpoint_file(path: str | Path, *, unchanged: bool = False) -> dict[str, Any]:
    """Load an mlmd checkpoint onto the CPU.

    Args:
        path: a file written by training; a dict with an entry "mlmd" that holds its "format_version".
        unchanged: whether its content has to be what training wrote, as a run that is resumed needs it.

    Returns:
        The content of the file in the present format, see `mlmd.io.migrations`.

    Raises:
        DataError: the file is missing, a folder, truncated or altered, is not an mlmd checkpoint, was written by a
            newer mlmd, was changed, or holds something other than tensors and plain values, which is then not executed.
    """
    checkpoint = load_plain_file(path, kind="mlmd checkpoint")
    entry = checkpoint.get("mlmd") if isinstance(checkpoint, dict) else None
    version = entry.get(VERSION_KEY) if isinstance(entry, dict) else None
    if not isinstance(checkpoint, dict) or not isinstance(version, int):
        raise DataError(f"cannot read {path}: not an mlmd checkpoint; give a file that mlmd's training wrote")
    if unchanged:
        require_digest(checkpoint, path)
    return migrate_checkpoint(checkpoint, source=path)


def load_plain_file(path: str | Path, *, kind: str) -> Any:
    """Load a file written by ``torch.save`` onto the CPU after its checksums have been verified.

    Args:
        path: the file.
        kind: expected kind of file, for the error, such as 'mlmd checkpoint'.

    Raises:
        DataError: the file is missing, a folder, truncated or altered, or holds something other than tensors and plain
            values.
    """
    path = Path(path)
    _require_intact_zip(path, kind=kind)
    try:
        with warnings.catch_warnings():
            # torch warns about a TorchScript archive before it raises an error; the error is enough.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(
            f"cannot read {path}: it holds something other than tensors and plain values; it is not an {kind} and was "
            "not unpickled"
        ) from error
    except Exception as error:
        # Torch raises many kinds of errors on a valid zip archive that is not one of its files.
        raise DataError(f"cannot read {path}: it is a zip archive but not an {kind}; check the path") from error


def _require_intact_zip(path: Path, *, kind: str) -> None:
    """Raise an error unless the file is a zip archive, the container of ``torch.save``, with correct checksums."""
    require_readable_file(path, kind=kind)
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"cannot read {path}: it is truncated or not an {kind}; copy it again or check the path")
        with zipfile.ZipFile(path) as archive:
            # torch itself does not verify the checksums of tensors.
            damaged = archive.testzip()  # NotImplementedError: a damaged header names an unknown compression
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; check that you may read it") from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"cannot read {path}: it has been altered or is damaged; copy it again") from error
    if damaged is not None:
        raise DataError(f"cannot read {path}: it has been altered or is damaged (in {damaged}); copy it again")
