"""Collects what is needed to repeat a run: code, libraries, machine, seed and command, as plain values."""

import functools
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import mlmd

_GIT_TIMEOUT_S = 5.0


def provenance(*, seed: int | None, command: str | Sequence[str]) -> dict[str, str | int | None]:
    """The provenance of a run; call it when the run starts.

    Versions are read from the metadata of the installed packages, so no package is imported.

    Args:
        seed: seed of the run; None if nothing is random.
        command: command line, as text or as the list of its words.

    Returns:
        Plain values: versions of mlmd, its code, Python, torch, numpy and lightning; platform, number of CPUs, start
        time (ISO 8601, UTC), command and seed.
    """
    return {
        "mlmd": mlmd.__version__,
        "code": code_version(),
        "python": platform.python_version(),
        "torch": _installed("torch"),
        "numpy": _installed("numpy"),
        "lightning": _installed("lightning"),
        "platform": platform.platform(),
        "n_cpus": os.cpu_count(),
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command if isinstance(command, str) else shlex.join(command),
        "seed": seed,
    }


@functools.cache
def code_version() -> str:
    """``git describe --always --dirty`` of the checkout that contains the package; without one, the version of mlmd."""
    checkout = Path(mlmd.__file__).resolve().parent.parent
    # An installed copy may lie inside another repository, whose commit would be wrong.
    if not (checkout / ".git").exists():
        return mlmd.__version__
    # Variables such as GIT_DIR, which git sets inside its hooks, would point to another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # --dirty refreshes the index; without optional locks it cannot disturb a commit in progress.
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return mlmd.__version__
    return described.stdout.strip() or mlmd.__version__


def _installed(package: str) -> str | None:
    """Version of an installed package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
