"""The digest of a resolved configuration: two jobs with the same digest give the same results."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlmd.io.migrations import VERSION_KEY

KEY = "digest"
"""Under this name the digest stands in the configuration of a run's folder, where a sweep looks for it."""

_WHERE_NOT_WHAT = ("resume", "trust", VERSION_KEY, KEY)

_N_DIGITS = 16
"""64 bits: among a million runs two share a digest by chance with a probability of 3e-8."""


def digest(values: Mapping[str, Any]) -> str:
    """The digest of all that decides a job's results.

    Left out are the version of the configuration's format, and the places of files: the folder to resume and the
    cache of reference data. A checkpoint counts by
    its content, so that a file that was moved is the same and one that was overwritten is another. All else counts,
    the seed, the number of threads and the logger included.

    Args:
        values: the resolved configuration, plain values.

    >>> digest({"seed": 1, "resume": "outputs/a"}) == digest({"resume": None, "seed": 1}) != digest({"seed": 2})
    True
    """
    deciding = {key: value for key, value in values.items() if key not in _WHERE_NOT_WHAT}
    if isinstance(deciding.get("data"), Mapping):
        deciding["data"] = {key: value for key, value in deciding["data"].items() if key != "cache"}
    if not deciding.get("callbacks"):
        deciding.pop("callbacks", None)  # as before there were any
    if isinstance(deciding.get("logger"), Mapping):
        deciding["logger"] = _trackers(deciding["logger"])
    if deciding.get("checkpoint") is not None:
        deciding["checkpoint"] = _content(Path(str(deciding["checkpoint"])))
    written = json.dumps(deciding, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:_N_DIGITS]


def _trackers(logger: Mapping[str, Any]) -> dict[str, Any]:
    """Trackers and their options, W&B by whether it is one of them: finished jobs of earlier versions count as such."""
    return {**logger, "wandb": "wandb" in logger}


def _content(checkpoint: Path) -> str:
    """The digest of a checkpoint's content; its path if it cannot be read, which is an error later."""
    try:
        path = checkpoint / "best.ckpt" if checkpoint.is_dir() else checkpoint
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return str(checkpoint)
