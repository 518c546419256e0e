import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.conftest import cli  # noqa: F401  # a fixture

from mlmd.errors import ConfigError

HERE = ("hydra/launcher=basic", "logger=none")
"""Jobs in this process, where what they do can be replaced."""


class Trainings:
    """In the place of training: leaves what a training leaves, in no time.

    Attributes:
        seeds: of those that ran.
        fails: seeds that raise this.
        score: of a run, from its values.
    """

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.calls: list[dict[str, Any]] = []
        self.fails: dict[int, BaseException] = {}
        self.score: Callable[[dict[str, Any]], float | None] = lambda values: float(values["seed"])

    def __call__(self, values: dict[str, Any], *, folder: str, overrides: list[str], began: float | None) -> None:
        run = Path(folder)
        self.calls.append({"values": values, "folder": run, "overrides": overrides, "began": began})
        if values["resume"] is not None:
            values = yaml.safe_load((run / "config.yaml").read_text())
        self.seeds.append(values["seed"])
        (run / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        if values["seed"] in self.fails:
            raise self.fails[values["seed"]]
        (run / "metrics.json").write_text(json.dumps({"val/best": self.score(values)}))


@pytest.fixture
def trainings(monkeypatch) -> Trainings:
    fake = Trainings()
    monkeypatch.setattr("mlmd.cli.train.train", fake)
    return fake


@pytest.fixture
def refusal() -> ConfigError:
    return ConfigError("seed = 2 is bad luck")
