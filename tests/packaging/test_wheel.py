"""The wheel, installed without the checkout, has the commands, their configuration and the sweeps."""

import json
import zipfile
from pathlib import Path

import mlmd

TINY_TRAINING = (
    "experiment=fast",
    "logger=csv",
    "figures=false",
    "engine=eager",
    "data.cache=null",
    "data.batches.batches_per_epoch=2",
    "trainer.max_epochs=1",
    "rollout.n_steps=64",
)
TINY_SIMULATION = ("logger=none", "figures=false", "engine=eager", "n_replicas=2", "n_steps=100")


def test_the_wheel_holds_the_package_its_configuration_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"mlmd", "hydra_plugins", f"mlmd-{mlmd.__version__}.dist-info"}
    root = Path(__file__).parents[2]
    for pattern in ("conf/**/*.yaml", "mlmd/**/*.py", "mlmd/**/*.css", "mlmd/**/*.js", "mlmd/**/*.csv"):
        files = [path.relative_to(root).as_posix() for path in root.glob(pattern)]
        assert files, pattern
        assert [name for name in files if name.replace("conf/", "mlmd/conf/") not in names] == []
    assert "mlmd/py.typed" in names
    assert not [name for name in names if name.startswith("hydra_plugins/__init__")]


def test_info_names_the_installed_configuration(command, installed):
    facts = json.loads(command("mlmd", "info", "--json"))
    assert facts["mlmd"] == mlmd.__version__
    folder = Path(facts["configuration"]["folder"])
    assert folder.is_relative_to(installed.parent)
    assert (folder / "train.yaml").is_file()


def test_train_simulate_and_resume(command, tmp_path):
    command("mlmd", "train", "model=3vR0", "system=HCl", *TINY_TRAINING)
    (run,) = tmp_path.glob("outputs/train/HCl/3vR0/*")
    assert {"best.ckpt", "metrics.json", "report.html"} <= {path.name for path in run.iterdir()}
    command("mlmd", "simulate", f"checkpoint={run}", *TINY_SIMULATION)
    (simulation,) = tmp_path.glob("outputs/simulate/HCl/3vR0/*")
    assert (simulation / "trajectory.h5").is_file()
    (simulation / "metrics.json").unlink()
    command("mlmd", "simulate", f"resume={simulation}")
    assert (simulation / "metrics.json").is_file()


def test_a_sweep_starts_its_jobs_without_the_scripts_of_the_checkout(command, tmp_path):
    command("mlmd", "train", "--multirun", "seed=1,2", *TINY_TRAINING)
    assert len(list(tmp_path.glob("outputs/train/HCl/3vR0/*/metrics.json"))) == 2


def test_dashboard_prints_its_panels(command):
    assert "panel" in command("mlmd", "dashboard", "--dry-run")


def test_the_package_runs_as_a_module(command):
    for arguments in (("--help",), ("--version",), ("info",)):
        assert command("python", "-m", "mlmd", *arguments) == command("mlmd", *arguments)


def test_an_unknown_command_is_one_line(command):
    answer = command("mlmd", "trian", code=2)
    assert answer == "error: mlmd trian: there is no such command: did you mean 'train'?\n"
