"""How the tests run the two commands: composed as on the command line, small enough to take seconds."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra
import torch

import mlmd
from mlmd.cli.job import resolved
from mlmd.cli.program import CONF

ROOT = Path(mlmd.__file__).parents[1]
FAST = ("experiment=fast", "logger=csv", "data.cache=null")
TO_LEARN = ("model=DuR0", "hamiltonian=morse", "regime=thermal")
"""Where the linear shortcut leaves something to learn."""
SHORT = ("n_steps=132", "n_replicas=3", "chunk_steps=50")
"""A simulation of a tenth of a second."""


def compose(config_name: str, *overrides: str) -> dict[str, Any]:
    """The resolved configuration of a command line."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return resolved(hydra.compose(config_name, overrides=list(overrides)))


def train(folder: Path, *overrides: str) -> dict[str, float]:
    """A fast training run in this process."""
    from mlmd.cli.train import train

    return train(compose("train", *FAST, *overrides), folder=str(folder), overrides=list(overrides))


def simulate(folder: Path, checkpoint: Path, *overrides: str, injection: str = "every_100") -> dict[str, float]:
    """A simulation in this process."""
    from mlmd.cli.simulate import simulate

    values = compose("simulate", f"checkpoint={checkpoint}", f"injection={injection}", *overrides)
    return simulate(values, folder=str(folder), overrides=list(overrides), injection_name=injection)


@functools.cache
def trained_run(temporary: Path) -> Path:
    """The folder of a fast run, made once a session whoever asks."""
    folder = temporary / "trained" / "run"
    train(folder, *TO_LEARN)
    return folder


def process(script: str, *arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """A command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / f"{script}.py"), *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **({"env": os.environ | {"OMP_NUM_THREADS": "1"}} | options),
    )


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The state dict of a checkpoint."""
    return torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]


def assert_same_weights(first: Path, second: Path) -> None:
    """Bit for bit."""
    ours, theirs = weights(first), weights(second)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def judged(folder: Path) -> dict[str, float | None]:
    """What metrics.json says, costs aside."""
    metrics = json.loads((folder / "metrics.json").read_text())
    return {name: value for name, value in metrics.items() if not name.startswith("cost/")}
