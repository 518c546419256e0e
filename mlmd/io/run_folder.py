"""The folder of a run: configuration and provenance, written so that the run can be repeated from it."""

import hashlib
import json
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlmd.errors import DataError
from mlmd.files import remove_temporaries, require_writable_folder, write_json, write_text
from mlmd.io.migrations import migrate_config
from mlmd.io.provenance import provenance
from mlmd.io.run_lock import hold

TRAJECTORY_FILE = "trajectory.h5"
"""Frames of a simulation."""

CHECKSUM = "checksum"
"""Key of ``config.yaml`` for the digest of all its other keys."""

EXTENDED = "extended"
"""Key of ``config.yaml`` of a run that was made longer than its digest says."""

REFERENCE_FILE = "reference.h5"
"""Frames of the Hamiltonian dynamics that a simulation is judged against."""


class RunFiles:
    """A run's folder and what is always in it.

    Args:
        folder: made if missing.
        seed: of the run.
        overrides: what the command line changed.
        is_main: whether this process writes (rank 0 of a distributed run).

    Attributes:
        provenance: versions, machine, command and seed.

    Raises:
        DataError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, seed: int, overrides: list[str], is_main: bool = True) -> None:
        self.folder = require_writable_folder(folder)
        self.is_main = is_main
        command = [Path(sys.argv[0]).name, *overrides]
        self.provenance = provenance(seed=seed, command=command)

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return require_writable_folder(self.folder / "figures")

    @property
    def shows_progress(self) -> bool:
        """Whether progress bars have a terminal to live on."""
        return sys.stderr.isatty()

    def begin(self, config: Mapping[str, Any], *, resumes: bool) -> None:
        """Write configuration and provenance, and hold the folder; a resumed run keeps those of its first start.

        Args:
            config: the resolved configuration.
            resumes: whether the run continues an interrupted one.

        Raises:
            DataError: another process writes into the folder, or it cannot be written.
        """
        hold(self.folder, owner=self)
        remove_temporaries(self.folder)
        if not resumes:
            self.write_config(config)
            write_json(self.folder / "provenance.json", self.provenance)

    def write_config(self, config: Mapping[str, Any], *, is_extended: bool = False) -> None:
        """``config.yaml`` with its checksum, and whether it differs from what its digest says by a larger length."""
        marks = {CHECKSUM: _checksum(config)} | ({EXTENDED: True} if is_extended else {})
        values = marks | dict(config)  # the checksum is first, so that no cut file lacks it
        write_text(self.folder / "config.yaml", yaml.safe_dump(values, sort_keys=False))

    def write_metrics(self, metrics: Mapping[str, float]) -> None:
        """``metrics.json``, flat; it marks the run as finished, so it is written last.

        A number that is not finite becomes null.
        """
        write_json(self.folder / "metrics.json", dict(metrics))


def read_config(folder: Path) -> dict[str, Any]:
    """The resolved configuration of a run's folder, in the present format.

    Raises:
        DataError: as `stored_config`; or a newer mlmd wrote it.
    """
    return migrate_config(stored_config(folder), source=folder / "config.yaml")


def stored_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run's folder as it was written; `read_config` brings it to the present format.

    Raises:
        DataError: there is none, it is not one, or it was edited since.
    """
    path = folder / "config.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{folder} is not the folder of a run: it holds no config.yaml ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:  # ValueError: of a date that is none
        raise DataError(f"{path} is damaged: it is not valid YAML") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} is damaged: it holds no configuration")
    values.pop(EXTENDED, None)
    checksum = values.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(values):
        raise DataError(
            f"{path} was edited after the run had begun; restore it, or begin a new run with the change on the command "
            "line"
        )
    return values


def _checksum(config: Mapping[str, Any]) -> str:
    """The digest of a configuration; it does not depend on comments, the order of keys and the form of numbers."""
    return hashlib.sha256(json.dumps(dict(config), sort_keys=True, default=str).encode()).hexdigest()


def peak_memory_MB() -> float:
    """Peak resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3) * (1.0 if sys.platform == "darwin" else 1.024)
