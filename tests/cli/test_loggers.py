"""Loggers of Lightning as trackers: TensorBoard, MLflow, one's own, several at once; read back from what they wrote."""

import json
import math
from pathlib import Path

import pytest
from lightning.pytorch.loggers import Logger

from cli.running import TO_LEARN, compose, simulate, train
from mlmd.cli import trackers
from mlmd.cli.settings import TrainSettings
from mlmd.errors import ConfigError
from mlmd.reporting.trackers import LoggerTracker, Tracker, Trackers
from mlmd.sweeps import extras

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # MLflow's own, with SQLAlchemy 2.1

SHORT = ("data.batches.batches_per_epoch=2", "trainer.max_epochs=2", "rollout.n_steps=300", "figures=false")


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Path:
    """A run with a csv log, TensorBoard and MLflow."""
    pytest.importorskip("tensorboard")
    pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("logged")
    database = f"logger.mlflow.tracking_uri=sqlite:///{folder}/mlflow.db"
    train(folder / "run", *TO_LEARN, *SHORT, "logger=[csv,tensorboard,mlflow]", database)
    return folder


def metrics_of(folder: Path) -> dict[str, float]:
    return {k: v for k, v in json.loads((folder / "metrics.json").read_text()).items() if v is not None}


def test_tensorboard_has_the_curves_and_the_final_metrics(logged):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(logged / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("val/loss")] == [1, 3]
    for name, value in metrics_of(logged / "run").items():
        assert events.Scalars(name)[-1].value == pytest.approx(value, rel=1e-6), name


def test_mlflow_has_the_curves_the_configuration_and_the_final_metrics(logged):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{logged}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("mlmd").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["system.name"] == "HCl"
    assert run.data.params["variant"] == "DuR0"
    assert len(client.get_metric_history(run.info.run_id, "val/loss")) == 2
    for name, value in metrics_of(logged / "run").items():
        assert run.data.metrics[name] == pytest.approx(value, rel=1e-9), name


def test_a_simulation_is_logged(logged, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    simulate(tmp_path / "run", logged / "run", "logger=tensorboard", "n_steps=132", "n_replicas=2", "figures=false")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    for name, value in metrics_of(tmp_path / "run").items():
        assert events.Scalars(name)[-1].value == pytest.approx(value, rel=1e-6), name


def test_the_csv_log_is_there_with_any_tracker(logged):
    assert "val/loss" in (logged / "run" / "csv" / "version_0" / "metrics.csv").read_text()


class Told(Logger):
    """A logger that keeps what it is told."""

    name, version = "told", 0

    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []

    def log_metrics(self, metrics, step=None):
        self.told.append(metrics)

    def log_hyperparams(self, params, *args, **kwargs):
        self.told.append(params)

    def finalize(self, status):
        self.told.append(status)


class Run:
    """What a logger reads of a run."""

    folder = Path("outputs/HCl/DuR0/now")
    config = {"seed": 1, "model": {"hidden_size": 3}}  # noqa: RUF012

    @property
    def words(self):
        from mlmd.reporting.tracker_tables import RunWords

        return RunWords("HCl", "DuR0", "DuR0", "thermal", "morse", "300 K", seed=1)


def test_a_logger_receives_the_configuration_the_metrics_and_the_end():
    logger = Told()
    with LoggerTracker(logger, Run()) as tracker:
        tracker.finish(None, {"a": 1.0, "b": math.nan}, None)
    params, metrics, status = logger.told
    assert (params["model.hidden_size"], params["energy_target"]) == (3, "300 K")
    assert (metrics, status) == ({"a": 1.0}, "success")


def test_after_an_error_every_tracker_is_closed_as_failed():
    first, second = Told(), Told()
    with pytest.raises(ZeroDivisionError), Trackers([LoggerTracker(first, Run()), LoggerTracker(second, Run())]):
        raise ZeroDivisionError
    assert first.told[-1] == second.told[-1] == "failed"


def test_where_one_tracker_cannot_begin_the_others_are_closed(monkeypatch):
    settings = TrainSettings.from_config(compose("train", "logger=[tensorboard,mlflow]")).logger
    first = LoggerTracker(Told(), Run())
    begun = iter([lambda: first, lambda: 1 / 0])
    monkeypatch.setattr(trackers, "_make_tracker", lambda *_: next(begun)())
    with pytest.raises(ZeroDivisionError):
        trackers.make_trackers(settings, Run(), is_main=True)
    assert first.loggers[0].told[-1] == "failed"


def test_other_processes_of_a_run_have_no_tracker():
    settings = TrainSettings.from_config(compose("train", "logger=wandb")).logger
    assert type(trackers.make_trackers(settings, Run(), is_main=False)) is Tracker


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named_with_its_cure(name, monkeypatch, cli):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    ended = cli("train", f"logger=[csv,{name}]")
    assert ended.code == 2
    assert ended.err.startswith(f"error: logger={name} needs the package {name}, which is not installed: pip install")


def test_what_is_no_logger_is_refused():
    node = {"_target_": "builtins.dict"}
    settings = TrainSettings.from_config(compose("train", "logger=none") | {"logger": {"mine": node}}).logger
    with pytest.raises(ConfigError, match=r"logger\.mine: builtins\.dict makes a dict, which is no Logger"):
        trackers.make_trackers(settings, Run(), is_main=True)
