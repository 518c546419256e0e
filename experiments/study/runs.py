"""Finished runs, read from their folders; nothing is computed here that a run did not leave."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mlmd.evaluation.curves_file import read_curves
from mlmd.evaluation.replicas_file import ReplicaRow, read_replicas

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Run:
    """A finished training run or simulation.

    Attributes:
        folder: of the run.
        config: its resolved configuration.
        metrics: its ``metrics.json``.
        code: the commit that made it.
    """

    folder: Path
    config: dict[str, Any]
    metrics: dict[str, float | None]
    code: str

    def score(self, name: str) -> float:
        """A number of ``metrics.json``; infinity where it was not finite, as of energies of diverged replicas."""
        value = self.metrics[name]
        return math.inf if value is None else float(value)

    @property
    def schedules(self) -> list[str]:
        """Names of the rollouts that were judged."""
        names = (key.split("/")[1] for key in self.metrics if key.startswith("rollout/"))
        return list(dict.fromkeys(names))

    @property
    def curves(self) -> dict[str, Any]:
        """Its ``curves.json``."""
        return read_curves(self.folder / "curves.json")

    @property
    def replicas(self) -> list[ReplicaRow]:
        """Its ``replicas.csv``."""
        return read_replicas(self.folder / "replicas.csv")

    @property
    def is_morse(self) -> bool:
        """Whether the bond is a Morse bond."""
        return str(self.config["hamiltonian"]["_target_"]).endswith("MorseBond")

    @property
    def variant(self) -> str:
        """The code name of the model."""
        model = self.config["model"]
        letters = {"cartesian": "3", "molecular": "D"}[model["components"]], {"velocity": "v", "update": "u"}
        return f"{letters[0]}{letters[1][model['target']]}R{model['coordinate_frames']}"


def finished_runs(folder: Path) -> list[Run]:
    """All finished runs below a folder, in the order of their names."""
    return [_read(path.parent) for path in sorted(folder.rglob("metrics.json"))]


def grouped(runs: Iterable[Run], key: Callable[[Run], Key]) -> dict[Key, list[Run]]:
    """Runs by a key, such as all seeds of a case, in the order in which the keys first come."""
    groups: dict[Key, list[Run]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return dict(groups)


def _read(folder: Path) -> Run:
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return Run(folder, config, metrics, str(provenance["code"]))
