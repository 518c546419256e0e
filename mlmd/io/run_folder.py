"""The folder of a run: configuration, provenance, trackers; written so that the run can be repeated from it."""

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlmd.errors import DataError
from mlmd.files import require_writable_folder, write_json, write_text
from mlmd.io.provenance import provenance
from mlmd.io.run_lock import hold, require_free
from mlmd.models import VelocityPredictor
from mlmd.reporting.run_labels import run_words
from mlmd.reporting.trackers import JobType, Tracker, WandbTracker
from mlmd.systems import System


class RunFiles:
    """A run's folder and what is always in it.

    Args:
        folder: made if missing.
        values: the resolved configuration.
        overrides: what the command line changed.
        is_main: whether this process writes (rank 0 of a distributed run).

    Attributes:
        provenance: versions, machine, command and seed.

    Raises:
        DataError: the folder cannot be written.
    """

    def __init__(self, folder: Path, values: Mapping[str, Any], *, overrides: list[str], is_main: bool = True) -> None:
        self.folder = require_writable_folder(folder)
        self.values = values
        self.is_main = is_main
        command = [Path(sys.argv[0]).name, *overrides]
        self.provenance = provenance(seed=values["seed"], command=command)

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return require_writable_folder(self.folder / "figures")

    @property
    def shows_progress(self) -> bool:
        """Whether progress bars have a terminal to live on."""
        return sys.stderr.isatty()

    def begin(self) -> None:
        """Write the resolved configuration and the provenance, and hold the folder; a resumed run keeps its first ones.

        Raises:
            DataError: another process writes into the folder, or it cannot be written.
        """
        require_free(self.folder)
        if self.values["resume"] is None:
            write_text(self.folder / "config.yaml", yaml.safe_dump(dict(self.values), sort_keys=False))
            write_json(self.folder / "provenance.json", self.provenance)
        hold(self.folder, owner=self)

    def write_metrics(self, metrics: Mapping[str, float]) -> None:
        """``metrics.json``, flat; a number that is not finite becomes null."""
        write_json(self.folder / "metrics.json", dict(metrics))

    def tracker(self, system: System, predictor: VelocityPredictor, *, job_type: JobType = "train") -> Tracker:
        """The configured experiment tracker."""
        logger = self.values.get("logger")  # simulations of older versions, when resumed, have none
        if not (logger and logger["wandb"] and self.is_main):
            return Tracker()
        return WandbTracker(
            self.folder,
            self.values,
            job_type=job_type,
            words=run_words(self.values, system, predictor),
            predictor=predictor,
            provenance=self.provenance,
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The resolved configuration of a run's folder.

    Raises:
        DataError: there is none, or it is not one.
    """
    path = folder / "config.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{folder} is not the folder of a run: it holds no config.yaml ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise DataError(f"{path} is damaged: it is not valid YAML") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} is damaged: it holds no configuration")
    return values


def peak_memory_MB() -> float:
    """Peak resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3) * (1.0 if sys.platform == "darwin" else 1.024)
