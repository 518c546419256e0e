"""What trains by override alone, with no code of its own."""

import csv
import json

import pytest
import torch

from cli.running import FAST, TO_LEARN, train, weights
from mlmd.errors import ConfigError
from mlmd.io.load_predictor import load_predictor_and_config
from mlmd.models import model_name
from mlmd.training.plan import cpu_runs_bfloat16

SMALL = ("data.batches.batches_per_epoch=3", "rollout.n_steps=60", "rollout.val_n_steps=40", "trainer.max_epochs=1")

VARIANTS = {
    "DvR0": ["model=DuR0", "model.target=velocity"],
    "3uR1": ["model=3uR0", "model.coordinate_frames=1"],
    "DuR1": ["model=DuR0", "model.coordinate_frames=1"],
    "3vR2": ["model=3vR0", "model.coordinate_frames=2"],
    "DuR0 (window 8)": ["model=DuR0", "memory=window", "memory.length=8"],
    "DuR0 (plain LSTM)": ["model=DuR0", "model.shortcut=false"],
    "DuR0 (history 3 steps)": ["model=DuR0", "model.history=3"],
    "DuR0 (held kick)": ["model=held"],
    "3uR0 (held kick)": ["model=held", "model.components=cartesian"],
    "DuR0 (linear, 16 steps)": ["model=linear"],
    "DuR1 (linear, 1 step)": ["model=linear", "model.history=1", "model.coordinate_frames=1"],
    "3vR0 (frame=molecule)": ["model=3vR0", "model.frame=molecule"],
    "3uR0 (frame=molecule, plain LSTM, window 12)": [
        "model=3uR0",
        "model.frame=molecule",
        "model.shortcut=false",
        "memory=window",
        "memory.length=12",
    ],
}


@pytest.mark.parametrize(("name", "overrides"), VARIANTS.items(), ids=list(VARIANTS))
def test_variants_train_and_roll_out(name, overrides, tmp_path, no_figures):
    metrics = train(tmp_path, *TO_LEARN[1:], *SMALL, *overrides)
    predictor, config = load_predictor_and_config(tmp_path / "best.ckpt")
    assert model_name(predictor.spec) == name
    assert config["regime"]["_target_"].endswith("ThermalRegime")
    assert metrics["test/velocity_accuracy_percent"] > 50.0
    assert metrics["rollout/every_100/n_steps"] == 60
    assert json.loads((tmp_path / "metrics.json").read_text()).keys() == metrics.keys()
    assert ("test/linear_velocity_accuracy_percent" in metrics) == ("plain" not in name)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["system=NO"], "NO"),
        (["system=D2"], "D2"),
        (["system=custom", "system.name=DCl", "system.masses_u=[2.014,34.969]", "system.symbols=[D,Cl]"], "DCl"),
    ],
    ids=["NO", "D2", "custom"],
)
def test_other_systems_train(overrides, name, cli):
    ended = cli(
        "train", *FAST, "logger=none", "data.cache=cache", "model=DuR0", *SMALL, *overrides, "hydra.run.dir=run"
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"mlmd: {name}, DuR0")


def test_the_folder_of_a_run_is_named_by_system_model_and_time(cli, tmp_path):
    ended = cli("train", "experiment=fast", "logger=csv", "model=DuR0", "system=NO", *SMALL)
    assert ended.code == 0
    (folder,) = (tmp_path / "outputs" / "train" / "NO" / "DuR0").iterdir()
    assert (folder / "metrics.json").is_file()
    assert ended.out.rstrip().splitlines()[-1].endswith(folder.name)
    assert len(list((tmp_path / "outputs" / "cache").glob("*.h5"))) == 3


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_precisions(precision, tmp_path, no_figures):
    if precision == "bf16-mixed" and not cpu_runs_bfloat16():
        with pytest.raises(ConfigError, match="no LSTM in bfloat16 for this CPU; use 32-true"):
            train(tmp_path, *TO_LEARN, *SMALL, f"trainer.precision={precision}")
        return
    metrics = train(tmp_path, *TO_LEARN, *SMALL, f"trainer.precision={precision}")
    assert metrics["test/velocity_accuracy_percent"] > 99.0
    stored = weights(tmp_path / "best.ckpt")
    expected = torch.float64 if precision == "64-true" else torch.float32
    assert stored["predictor.network.head.weight"].dtype == expected
    assert stored["predictor.scaling.basis"].dtype == torch.float64, "scales are never narrowed"


def test_a_constant_rate_trains_elsewhere_than_one_cycle(tmp_path, no_figures):
    for name in ("constant", "one_cycle"):
        train(tmp_path / name, *TO_LEARN, *SMALL, f"optimizer.schedule={name}")
    one, other = (weights(tmp_path / name / "best.ckpt") for name in ("constant", "one_cycle"))
    assert not torch.equal(one["predictor.network.head.weight"], other["predictor.network.head.weight"])


@pytest.mark.parametrize("every_n_epochs", [1, 2, 5])
def test_selection_by_rollout_takes_the_epoch_of_least_energy_error(every_n_epochs, tmp_path, no_figures):
    train(
        tmp_path,
        *TO_LEARN,
        *SMALL[:-1],
        "trainer.max_epochs=4",
        "selection=rollout",
        f"rollout.every_n_epochs={every_n_epochs}",
    )
    errors = epochs_of(tmp_path, "val/every_100/energy_error_median")
    selectable = [epoch for epoch in errors if (epoch + 1) % min(every_n_epochs, 4) == 0]
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert best["epoch"] == min(selectable, key=errors.get)


def test_selection_by_loss_takes_the_epoch_of_least_loss(trained):
    losses = epochs_of(trained, "val/loss")
    assert torch.load(trained / "best.ckpt", weights_only=True)["epoch"] == min(losses, key=losses.get)


def test_an_exact_shortcut_trains_one_epoch_and_is_selected(tmp_path, no_figures):
    metrics = train(tmp_path, "model=DuR0", *SMALL[:-1], "selection=rollout", "rollout.every_n_epochs=2")
    assert metrics["test/velocity_accuracy_percent"] == pytest.approx(100.0, abs=1e-9)
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == 0


def epochs_of(folder, quantity) -> dict[int, float]:
    with (folder / "csv" / "version_0" / "metrics.csv").open() as file:
        return {int(row["epoch"]): float(row[quantity]) for row in csv.DictReader(file) if row.get(quantity)}
