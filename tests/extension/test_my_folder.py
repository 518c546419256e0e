"""A user's own folder, outside the repository, extends mlmd: a Python module and configuration files beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cli.running import FAST, ROOT

MY_FOLDER = Path(__file__).parent / "my_folder"
TINY = (
    "data.batches.batches_per_epoch=2",
    "trainer.max_epochs=1",
    "data.trajectories.n_train=8",
    "figures=false",
    "engine=eager",
)
MINE = {
    "hamiltonian": "cosh",
    "injection": "squares",
    "loss": "absolute",
    "model": "small",
    "regime": "cold",
    "system": "DF",
}


@pytest.fixture
def mine(tmp_path) -> Path:
    shutil.copytree(MY_FOLDER, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "mine"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}."},
        capture_output=True,
        text=True,
        check=False,
    )


def train(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "mlmd", "train", "--config-dir", "conf", *FAST, *TINY, *overrides)


def test_every_choice_of_mine_trains_together(mine):
    chosen = [f"{group}={name}" for group, name in MINE.items() if group != "injection"]
    ended = train(mine, *chosen, "+injection@rollout.injections.squares=squares", "hydra.run.dir=out")
    assert ended.returncode == 0, ended.stderr
    values = yaml.safe_load((mine / "out" / "config.yaml").read_text())
    assert values["model"]["hidden_size"] == 8
    assert values["model"]["components"] == "cartesian", "inherited from 3vR0"
    assert values["rollout"]["injections"]["squares"]["schedule"] == {"_target_": "my_parts.Squares"}
    assert "squares" in ended.stdout
    again = run(mine, "-m", "mlmd", "simulate", "--config-dir", "conf", "checkpoint=out", "injection=squares",
                "n_steps=132", "n_replicas=2", "figures=false", "hydra.run.dir=simulated")  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert (mine / "simulated" / "metrics.json").is_file()


def test_components_memory_callback_and_logger_of_mine_by_their_names(mine):
    chosen = (
        "model=small",
        "model.components=my_parts.Halves",
        "memory.kind=my_parts.ShortMemory",
        "+callbacks.count._target_=my_parts.Counting",
        "+logger.lines._target_=my_parts.LineLogger",
        "hamiltonian=morse",
        "regime=thermal",
    )
    ended = train(mine, *chosen, "engine=auto", "hydra.run.dir=out")
    assert ended.returncode == 0, ended.stderr
    assert "HuR0" in ended.stdout or "HvR0" in ended.stdout
    assert "this decomposition has no compiled form" in ended.stdout, "a class that derives from a known one is another"
    assert (mine / "steps.txt").read_text() == "xx"
    assert "val/loss" in (mine / "lines.txt").read_text()
    simulate = ("-m", "mlmd", "simulate", "checkpoint=out", "n_steps=132", "n_replicas=2", "figures=false")
    refused = run(mine, *simulate)
    assert refused.returncode == 2
    assert "import my_parts first, or trust=my_parts.Halves on the command line" in refused.stderr
    again = run(mine, *simulate, "trust=[my_parts.Halves,my_parts.ShortMemory]", "hydra.run.dir=simulated")
    assert again.returncode == 0, again.stderr


def test_a_sweep_takes_my_choices(mine):
    ended = train(mine, "--multirun", "model=small", "system=DF", "hamiltonian=harmonic,cosh", "hydra.sweep.dir=swept")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(list((mine / "swept").rglob("metrics.json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config-dir", "nowhere"], "--config-dir nowhere: there is no such folder"),
        (["--config-dir=conf", "model=smal"], "model=smal: there is no such choice of model: did you mean 'small'?"),
        (["--config-dir=conf", "model=small", "model.hiden_size=3"], "model.hiden_size: there is no such key"),
        (["model=small"], "model=small: there is no such choice of model"),
    ],
)
def test_what_is_wrong_with_my_folder_is_one_line(mine, arguments, message):
    ended = run(mine, "-m", "mlmd", "train", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {message}")
    assert ended.stderr.count("\n") == 1


def test_a_module_that_is_not_found_is_named(mine):
    ended = run(mine.parent, "-m", "mlmd", "train", "--config-dir=mine/conf", *FAST, *TINY, "hamiltonian=cosh")
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: hamiltonian: there is no my_parts.CoshBond: is the folder of my_parts on PYTHONPATH?\n"
    )


def test_the_same_files_inside_the_repository_break_no_test(tmp_path):
    for part in ("mlmd", "conf", "tests", "hydra_plugins"):
        ignored = shutil.ignore_patterns("__pycache__", "extension")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    shutil.copytree(MY_FOLDER / "conf", tmp_path / "conf", dirs_exist_ok=True)
    shutil.copy(MY_FOLDER / "my_parts.py", tmp_path)
    for name in ("pyproject.toml", "train.py", "simulate.py"):
        shutil.copy(ROOT / name, tmp_path)
    chosen = " or ".join(MINE.values())
    tests = ("tests/config/test_choices.py", "tests/config/test_combinations.py")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "-k", chosen, *tests],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    n_passed = int(ended.stdout.rpartition(" passed")[0].split()[-1]) if " passed" in ended.stdout else 0
    assert n_passed >= 2 * len(MINE), ended.stdout[-1000:]
