"""``data=file``: training on a trajectory of the user's."""

import json

import pytest
import torch

from cli.running import FAST, TO_LEARN, train
from mlmd.cli.train import train as go_on
from mlmd.errors import ConfigError, DataError
from mlmd.io.checkpoint_file import load_checkpoint_file
from mlmd.io.xyz import write_extended_xyz
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.systems import ThermalRegime

SHORT = ("data=file", "rollout.n_steps=100", "rollout.val_n_steps=50", "figures=false")


@pytest.fixture(scope="module")
def files(tmp_path_factory, hcl_morse):
    """Six runs of thermal HCl, as any program might leave them: eight decimals."""
    folder = tmp_path_factory.mktemp("runs")
    propagator = Propagator.begin(
        reference_dynamics(hcl_morse),
        *ThermalRegime(600.0).draw(hcl_morse, 6, generator=torch.Generator().manual_seed(1)),
    )
    run = propagator.advance(240)
    for replica in range(6):
        write_extended_xyz(
            folder / f"{replica}.extxyz",
            run,
            symbols=hcl_morse.symbols,
            masses_u=hcl_morse.masses_u,
            dt_fs=hcl_morse.dt_fs,
            replica=replica,
        )
    return folder


@pytest.fixture
def quiet(monkeypatch, no_figures):
    """What the run says, instead of the console."""
    lines = []
    monkeypatch.setattr("mlmd.cli.train.say", lines.append)
    return lines


def test_a_predictor_learns_from_files(files, tmp_path, quiet):
    metrics = train(tmp_path / "run", *TO_LEARN, *SHORT, f"data.trajectories.path={files}/*.extxyz")
    assert metrics["cost/data_force_calls"] == 0
    assert 98.0 < metrics["test/linear_velocity_accuracy_percent"] < metrics["test/velocity_accuracy_percent"]
    assert metrics["rollout/every_100_anchored/diverged_replicas"] == 0
    record = json.loads((tmp_path / "run" / "data.json").read_text())
    assert [source["n_frames"] for source in record["sources"]] == [240] * 6
    assert record["splits"]["train"] == {"n_stretches": 8, "n_steps": 119}, "four files of 238 usable frames"
    assert "data: train 8 x 119, val 2 x 119, test 2 x 119 frames from 6 files of 1440 frames" in quiet
    assert any("confirm dt 0.5 fs" in line for line in quiet)
    stored = load_checkpoint_file(tmp_path / "run" / "last.ckpt")["mlmd"]["config"]
    assert stored["data"]["trajectories"]["path"] == f"{files}/*.extxyz"


def test_a_resumed_run_insists_on_its_data(files, tmp_path, quiet):
    path = tmp_path / "mine.extxyz"
    path.write_bytes((files / "0.extxyz").read_bytes())
    folder = tmp_path / "run"
    first = train(folder, *TO_LEARN, *SHORT, f"data.trajectories.path={path}")
    again = go_on({"resume": str(folder)}, folder=str(folder), overrides=[f"resume={folder}"])
    assert again["test/velocity_accuracy_percent"] == first["test/velocity_accuracy_percent"]
    path.write_bytes((files / "1.extxyz").read_bytes())
    with pytest.raises(DataError, match=r"mine\.extxyz: changed since this run started"):
        go_on({"resume": str(folder)}, folder=str(folder), overrides=[f"resume={folder}"])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((), "data.trajectories.path is missing"),
        (("data.trajectories.path=none.traj",), "cannot read none.traj: there is no such file"),
        (("data.trajectories.path={files}/0.extxyz", "system.dt_fs=0.4"), "give system.dt_fs=0.5"),
        (("data.trajectories.path={files}/0.extxyz", "data.trajectories.dt_fs=1"), "0.extxyz are 0.5 fs apart"),
        (
            ("data.trajectories.path={files}/0.extxyz", "data.trajectories.val_fraction=0.05"),
            "or raise data.traj",
        ),
        (("data.trajectories.path={files}/0.extxyz", "system=CO"), "holds H Cl, but system CO is C O"),
    ],
)
def test_what_does_not_fit_is_one_line(files, cli, overrides, words):
    ended = cli("train", *FAST, *TO_LEARN, *SHORT, *(line.format(files=files) for line in overrides))
    assert ended.code == 2
    assert words in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_a_path_is_needed_for_the_plan_alone(tmp_path):
    with pytest.raises(ConfigError, match="path is missing"):
        train(tmp_path / "run", *SHORT)
