import csv
import json
import math

import pytest

from cli.running import FAST, TO_LEARN, compose
from mlmd.evaluation.curves_file import read_curves
from mlmd.evaluation.replicas_file import read_replicas
from mlmd.io.checkpoint_file import load_checkpoint_file
from mlmd.io.migrations import migrate_config
from mlmd.io.run_folder import stored_config
from mlmd.reporting.training_log import read_history

SCHEDULES = ("never", "every_1000", "every_100", "every_100_anchored")
PER_SCHEDULE = (
    "energy_error_median",
    "energy_error_worst",
    "energy_drift_meV_per_atom_per_ps",
    "drift_over_std_kinetic",
    "bond_mean_error_A",
    "vacf_error",
    "line_shift_cm1",
    "angular_momentum_error",
    "force_calls",
    "frequency",
    "n_steps",
    "n_replicas",
    "diverged_replicas",
)
PROMISED = (
    "test/velocity_mae_A_per_fs",
    "test/velocity_mape_percent",
    "test/velocity_accuracy_percent",
    *(f"rollout/{schedule}/{quantity}" for schedule in SCHEDULES for quantity in PER_SCHEDULE),
    "cost/train_s",
    "cost/total_s",
    "cost/peak_memory_MB",
)
FIGURES = ("loss", "velocity", "energy_error", "bond", "dynamics", "rollout")


@pytest.fixture(scope="module")
def metrics(trained):
    return json.loads((trained / "metrics.json").read_text())


def test_a_run_has_every_promised_file(trained):
    files = {path.relative_to(trained).as_posix() for path in trained.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml",
        "provenance.json",
        ".lock",
        "best.ckpt",
        "last.ckpt",
        "metrics.json",
        "curves.json",
        "replicas.csv",
        "report.html",
        "csv/version_0/metrics.csv",
        *(f"figures/{name}.png" for name in FIGURES),
    }


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_pictures(trained, name):
    picture = (trained / "figures" / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_metrics_are_flat_and_complete(metrics):
    assert set(metrics) >= set(PROMISED)
    for name, value in metrics.items():
        assert value is None or (isinstance(value, int | float) and math.isfinite(value)), name


def test_counts_are_those_of_the_schedules(metrics):
    for schedule, calls in zip(SCHEDULES, (0, 0, 4, 4), strict=True):
        reported = {name: metrics[f"rollout/{schedule}/{name}"] for name in PER_SCHEDULE[-5:-1]}
        assert reported == {
            "force_calls": calls,
            "frequency": calls / 400,
            "n_steps": 400,
            "n_replicas": 4,
        }
        assert metrics[f"rollout/{schedule}/diverged_replicas"] in range(5)


def test_scores_are_consistent(metrics):
    assert 99.0 < metrics["test/linear_velocity_accuracy_percent"] < metrics["test/velocity_accuracy_percent"] < 100.0
    for schedule in SCHEDULES:
        median, worst = (metrics[f"rollout/{schedule}/energy_error_{name}"] for name in ("median", "worst"))
        assert 0.0 < median <= worst
        assert metrics[f"rollout/{schedule}/angular_momentum_error"] < 1e-12, "kept by construction"
    # Without an injection in 400 steps, two schedules are one.
    never, every_1000 = ([metrics[f"rollout/{schedule}/{name}"] for name in PER_SCHEDULE] for schedule in SCHEDULES[:2])
    assert never == every_1000
    assert 0.0 < metrics["cost/train_s"] < metrics["cost/total_s"]
    assert 100.0 < metrics["cost/peak_memory_MB"] < 4000.0


def test_the_configuration_is_resolved_and_whole(trained):
    stored = stored_config(trained)
    assert stored == compose("train", *FAST, *TO_LEARN)
    assert "${" not in (trained / "config.yaml").read_text()


def test_the_provenance_is_enough_to_repeat_the_run(trained):
    stored = json.loads((trained / "provenance.json").read_text())
    assert stored["seed"] == 1
    assert all(override in stored["command"] for override in TO_LEARN)
    assert stored["torch"]


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_stand_alone(trained, name):
    stored = load_checkpoint_file(trained / f"{name}.ckpt")
    assert stored["mlmd"]["spec"]["system"] == "HCl"
    assert stored["mlmd"]["config"] == migrate_config(compose("train", *FAST, *TO_LEARN))
    assert stored["epoch"] in (0, 1) if name == "best" else stored["epoch"] == 1


def test_the_csv_log_holds_the_curves(trained):
    with (trained / "csv" / "version_0" / "metrics.csv").open() as file:
        columns = set(csv.DictReader(file).fieldnames or ())
    assert columns >= {"epoch", "train/loss", "val/loss", "val/velocity_accuracy_percent"}
    assert columns >= {f"val/{schedule}/energy_error_median" for schedule in SCHEDULES}
    history = read_history(trained / "csv")
    assert [entry["epoch"] for entry in history] == [0, 1]
    assert all(entry["train/loss"] > 0 and entry["val/loss"] > 0 for entry in history)


def test_curves_and_replicas_are_left_for_later_reading(trained, metrics):
    curves = read_curves(trained / "curves.json")
    assert tuple(curves["schedules"]) == SCHEDULES
    assert (curves["run"]["system"], curves["run"]["seed"], curves["run"]["n_steps"]) == ("HCl", 1, 400)
    rows = read_replicas(trained / "replicas.csv")
    assert [(row.schedule, row.replica) for row in rows] == [(name, k) for name in SCHEDULES for k in range(4)]
    for name in SCHEDULES:
        errors = [row.energy_error for row in rows if row.schedule == name]
        assert max(errors) == pytest.approx(metrics[f"rollout/{name}/energy_error_worst"], rel=1e-6)
        ends = curves["schedules"][name]["energy_error"]
        assert ends["median"][-1] == pytest.approx(metrics[f"rollout/{name}/energy_error_median"], rel=1e-6)


def test_the_page_shows_what_was_run(trained):
    text = (trained / "report.html").read_text(encoding="utf-8")
    assert "<h1>HCl, DuR0, thermal, morse</h1>" in text
    for words in ("every_100_anchored", "velocity accuracy", "Energy error", "Resolved configuration", "seed"):
        assert words in text


def test_the_console_ends_with_the_table_and_the_folder(cli):
    ended = cli("train", *FAST, "model=DuR0", "rollout.n_steps=100", "hydra.run.dir=here")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[0].startswith(
        "mlmd: HCl, DuR0, vibrating, harmonic, dt 0.5 fs (period 11.15 fs), seed 1"
    )
    assert "velocity accuracy" in ended.out
    *_, report, files = ended.out.rstrip().splitlines()
    assert files.startswith("files: ")
    assert report == f"report: {files.removeprefix('files: ')}/report.html"
    assert ended.out.rstrip().endswith("here")
