"""The digest of a resolved configuration: two jobs with the same digest give the same results."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlmd.io.migrations import VERSION_KEY

KEY = "digest"
"""Key of the digest in the configuration of a run's folder, where a sweep looks for it."""

_WHERE_NOT_WHAT = ("resume", "trust", VERSION_KEY, KEY)

_N_DIGITS = 16
"""64 bits: among a million runs two share a digest by chance with a probability of 3e-8."""


def digest(values: Mapping[str, Any]) -> str:
    """The digest of everything that determines a job's results.

    The digest covers all values, including the seed, the number of threads and the logger, except the version of the
    configuration's format, the trusted names, the folder to resume and the cache of reference data. A checkpoint enters
    with its content: a moved file has the same digest, an overwritten one another.

    Args:
        values: the resolved configuration, plain values.

    >>> digest({"seed": 1, "resume": "outputs/a"}) == digest({"resume": None, "seed": 1}) != digest({"seed": 2})
    True
    """
    deciding = {key: value for key, value in values.items() if key not in _WHERE_NOT_WHAT}
    if isinstance(deciding.get("data"), Mapping):
        deciding["data"] = {key: value for key, value in deciding["data"].items() if key != "cache"}
    if not deciding.get("callbacks"):
        deciding.pop("callbacks", None)  # the digest of versions without callbacks
    if isinstance(deciding.get("logger"), Mapping):
        deciding["logger"] = _trackers(deciding["logger"])
    if deciding.get("checkpoint") is not None:
        deciding["checkpoint"] = _content(Path(str(deciding["checkpoint"])))
    written = json.dumps(deciding, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:_N_DIGITS]


def _trackers(logger: Mapping[str, Any]) -> dict[str, Any]:
    """Trackers and their options, with `wandb` as true or false, as in the digests of earlier versions."""
    return {**logger, "wandb": "wandb" in logger}


def _content(checkpoint: Path) -> str:
    """The digest of a checkpoint's content; its path if the file cannot be read, which raises an error later."""
    try:
        path = checkpoint / "best.ckpt" if checkpoint.is_dir() else checkpoint
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return str(checkpoint)
