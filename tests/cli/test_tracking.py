"""Offline W&B runs, read back from their own files."""

import json
from pathlib import Path

import pytest

from cli.running import TO_LEARN, compose, simulate, train
from cli.wandb_file import entries, logged_by, of_kind, rows, tracked_run, tracked_simulation
from mlmd.cli.overrides import check_overrides
from mlmd.errors import ConfigError
from mlmd.reporting import trackers as tracking
from mlmd.reporting.run_labels import energy_target


@pytest.fixture(scope="module")
def tracked(tmp_path_factory) -> Path:
    return tracked_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def logged(tracked):
    return logged_by(tracked)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    return tracked_simulation(tmp_path_factory.getbasetemp())


def artifacts(logged, kind: str):
    return [record.artifact for record in of_kind(logged, "artifact") if record.artifact.type == kind]


def table(folder: Path, logged, key: str) -> dict:
    path = entries(logged, "history")[f"{key}.path"][-1]
    (file,) = folder.glob(f"wandb/offline-run-*/files/{path}")
    return json.loads(file.read_text())


def test_the_run_is_offline_and_closed(tracked, logged):
    assert not list(tracked.glob("wandb/run-*"))
    assert [record.exit.exit_code for record in of_kind(logged, "exit")] == [0]


def test_the_configuration_is_resolved_and_names_its_source(logged):
    config = {name: values[-1] for name, values in entries(logged, "run").items()}
    assert config["system"]["name"] == "HCl"
    assert config["model"]["components"] == "molecular"
    assert config["data"]["batches"]["batches_per_epoch"] == 2
    assert config["provenance"]["seed"] == 1


def test_the_run_is_found_by_group_job_tags_and_words(logged):
    (run,) = [record.run for record in of_kind(logged, "run")]
    assert run.display_name == run.run_id == "HCl-DuR0-now"
    assert (run.run_group, run.job_type) == ("of_tests", "train")
    assert sorted(run.tags) == ["DuR0", "HCl", "morse", "thermal"]
    (words,) = entries(logged, "run")["labels"]
    assert words["energy_target"] == "300 K"
    assert words["model"] == "DuR0"


def test_the_summary_holds_the_metrics(tracked, logged):
    summary = entries(logged, "summary")
    for name, value in json.loads((tracked / "metrics.json").read_text()).items():
        if value is not None:
            assert summary[name][-1] == pytest.approx(value, rel=1e-12), name


def test_curves_and_figures_are_there(tracked, logged):
    history = entries(logged, "history")
    assert len(history["train/loss"]) == len(history["val/loss"]) == 2
    figures = {f"figures/{path.stem}" for path in (tracked / "figures").glob("*.png")}
    assert figures
    assert {name for name in figures if history.get(f"{name}._type") != ["image-file"]} == set()


def test_energies_run_over_the_time_of_the_rollout(tracked, logged):
    key = "curve/every_100/energy_error_median"
    (defined,) = [record.metric for record in of_kind(logged, "metric") if record.metric.name == key]
    assert defined.step_metric == "rollout/time_ps"
    lines = [row for row in rows(logged) if key in row]
    times = [row["rollout/time_ps"] for row in lines]
    assert len(times) > 1
    assert times == sorted(set(times))
    assert 0.0 < times[0] < times[-1] < 0.35  # 700 steps of 0.5 fs
    metrics = json.loads((tracked / "metrics.json").read_text())
    assert lines[-1][key] == pytest.approx(metrics["rollout/every_100/energy_error_median"], rel=1e-6)


def test_the_accuracy_table_has_a_row_of_the_run(tracked, logged):
    stored = table(tracked, logged, "test/accuracy_table")
    (row,) = stored["data"]
    line = dict(zip(stored["columns"], row, strict=True))
    metrics = json.loads((tracked / "metrics.json").read_text())
    assert (
        line["system"],
        line["model"],
        line["regime"],
        line["hamiltonian"],
        line["energy target"],
        line["seed"],
    ) == (("HCl", "DuR0", "thermal", "morse", "300 K", 1))
    assert line["accuracy (%)"] == metrics["test/velocity_accuracy_percent"]
    assert line["MAPE (%)"] == metrics["test/velocity_mape_percent"]
    assert line["linear accuracy (%)"] == metrics["test/linear_velocity_accuracy_percent"]


def test_the_best_checkpoint_is_an_artifact_with_its_description(tracked, logged):
    (model,) = artifacts(logged, "model")
    (entry,) = model.manifest.contents
    assert entry.path == "best.ckpt"
    assert Path(entry.local_path) == tracked / "best.ckpt"  # no copy of it
    metadata = json.loads(model.metadata)
    assert metadata["spec"]["components"] == "molecular"
    metrics = json.loads((tracked / "metrics.json").read_text())
    assert metadata["test/velocity_accuracy_percent"] == metrics["test/velocity_accuracy_percent"]
    assert {"digest", "code", "seed"} <= metadata.keys()


def test_what_waits_for_the_upload_lies_with_the_run(tracked, logged):
    staged = [entry.local_path for table in artifacts(logged, "run_table") for entry in table.manifest.contents]
    assert staged
    assert all(Path(path).is_relative_to(tracked / "wandb") for path in staged)


def test_a_simulation_leaves_its_curves_and_its_trajectory(simulated):
    logged = logged_by(simulated)
    (run,) = [record.run for record in of_kind(logged, "run")]
    assert (run.run_id, run.job_type) == ("simulate-HCl-DuR0-now", "simulate")
    assert sorted(run.tags) == ["DuR0", "HCl", "morse", "thermal"]
    assert "curve/every_100/energy_error_worst" in entries(logged, "history")
    assert {row[1] for row in table(simulated, logged, "dynamics/vacf_table")["data"]} == {"reference", "every_100"}
    (trajectory,) = artifacts(logged, "trajectory")
    (entry,) = trajectory.manifest.contents
    assert Path(entry.local_path) == simulated / "trajectory.h5"
    metadata = json.loads(trajectory.metadata)
    assert metadata["units"]["positions"] == "angstrom"
    assert (metadata["n_steps"], metadata["n_replicas"], metadata["injection_name"]) == (132, 3, "every_100")


def test_a_large_trajectory_stays_where_it_is(tmp_path, tracked, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "MAX_UPLOAD_BYTES", 1000)
    simulate(tmp_path, tracked, "logger=wandb", "n_steps=132", "n_replicas=3")
    (trajectory,) = artifacts(logged_by(tmp_path), "trajectory")
    (entry,) = trajectory.manifest.contents
    assert (entry.ref, entry.local_path) == ((tmp_path / "trajectory.h5").as_uri(), "")
    assert "note: trajectory.h5 is larger than" in capsys.readouterr().out


def test_simulations_are_not_tracked_unless_asked():
    check_overrides(["logger=wandb", "logger.mode=online"], "simulate", multirun=False)
    assert compose("simulate")["logger"] == {}
    assert "wandb" in compose("simulate", "logger=wandb")["logger"]


@pytest.mark.parametrize(
    ("group", "options", "words"),
    [
        ("vibrating", [], "10 kT"),
        ("vibrating", ["regime.vibrational_energy_eV=0.25"], "0.25 eV"),
        ("rotating", [], "10 kT, rotation 2 kT"),
        ("thermal", ["regime.temperature_K=400"], "400 K"),
    ],
)
def test_every_regime_names_its_energy(group, options, words):
    assert energy_target(compose("train", f"regime={group}", *options)["regime"]) == words


def test_a_run_that_fails_is_closed_too(tmp_path):
    import wandb

    from mlmd.errors import ConfigError

    with pytest.raises(ConfigError):
        train(tmp_path, *TO_LEARN, "logger=wandb", "data.batches.batches_per_epoch=1", "selection.monitor=val/los")
    assert wandb.run is None
    assert [record.exit.exit_code for record in of_kind(logged_by(tmp_path), "exit")] == [1]


@pytest.mark.parametrize(("mode", "n_runs"), [("disabled", 0), ("offline", 1)])
def test_the_variables_of_wandb_are_heeded(mode, n_runs, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    train(tmp_path / "run", "logger=wandb", "figures=false")
    assert not list(tmp_path.glob("run/wandb/offline-run-*"))
    assert len(list(tmp_path.glob("elsewhere/wandb/offline-run-*"))) == n_runs
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_an_unknown_mode_of_wandb_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "of_line")
    with pytest.raises(ConfigError, match="the variable WANDB_MODE is 'of_line'; did you mean 'offline'"):
        train(tmp_path / "run", "logger=wandb")
