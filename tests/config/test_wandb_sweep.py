"""The W&B sweep file works with Hydra's command line."""

from typing import Any

import hydra
import pytest
import yaml
from cli.running import ROOT, compose
from cli.wandb_file import entries, logged_by, tracked_run
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from mlmd.cli.job import job_values
from mlmd.cli.overrides import check_overrides
from mlmd.cli.program import CONF
from mlmd.errors import ConfigError

SWEEP: dict[str, Any] = yaml.safe_load((ROOT / "experiments" / "wandb_sweep.yaml").read_text())
WORDS = [word for word in SWEEP["command"] if not word.startswith("${")]


def taken(parameter: dict[str, Any]) -> list[Any]:
    """The values of a parameter, or the ends of its range."""
    return parameter["values"] if "values" in parameter else [parameter["min"], parameter["max"]]


def at(values: Any, key: str) -> Any:
    for word in key.split("."):
        values = values[word]
    return values


def test_the_agent_runs_the_script_with_words_of_hydra():
    assert (ROOT / SWEEP["program"]).is_file()
    assert SWEEP["command"][:4] == ["${env}", "${interpreter}", "${program}", "${args_no_hyphens}"]
    composed = compose("train", *WORDS)
    options = {"project": "mlmd", "mode": "online", "group": None}
    tracker = {"_target_": "mlmd.reporting.trackers.WandbTracker", **options}
    assert composed["logger"] == {**options, "wandb": tracker}


@pytest.mark.parametrize("end", [0, -1])
def test_the_ends_of_all_parameters_compose(end, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = {key: taken(parameter)[end] for key, parameter in SWEEP["parameters"].items()}
    words = [*(f"{key}={value}" for key, value in chosen.items()), *WORDS]
    check_overrides(words, "train", multirun=False)
    composed = compose("train", *words)
    assert {key: at(composed, key) for key in chosen} == chosen


def test_a_parameter_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rat: there is no such key"):
        check_overrides(["optimizer.learning_rat=0.1", *WORDS], "train", multirun=False)


def test_the_metric_is_logged(tmp_path_factory):
    history = entries(logged_by(tracked_run(tmp_path_factory.getbasetemp())), "history")
    assert len(history[SWEEP["metric"]["name"]]) == 2
    assert SWEEP["metric"]["goal"] == "minimize"


def job(*overrides: str, also: str | None = None) -> DictConfig:
    """The configuration of a job as Hydra hands it over; ``also`` is on the command line, but not composed."""
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra.compose("train", overrides=list(overrides), return_hydra_config=True)
    if also is not None:
        OmegaConf.set_readonly(config.hydra, False)
        config.hydra.overrides.task.append(also)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config["hydra"]
    return config


@pytest.fixture
def hydra_config():
    before = HydraConfig.instance().cfg
    yield
    HydraConfig.instance().cfg = before


@pytest.mark.parametrize(
    ("words", "group"),
    [
        ([], None),
        (["experiment=fast"], "fast"),
        (["experiment=[fast]"], "fast"),
        (["experiment=fast", "logger.group=mine"], "mine"),
    ],
)
def test_runs_are_grouped_by_experiment(words, group, hydra_config):
    assert job_values(job("logger=wandb", *words))["logger"]["group"] == group


def test_several_experiments_make_one_group(hydra_config):
    assert job_values(job("logger=wandb", also="experiment=[fast, slow]"))["logger"]["group"] == "fast+slow"


def test_the_group_decides_no_digest(hydra_config):
    plain = job_values(job("logger=wandb"))
    grouped = job_values(job("logger=wandb", also="experiment=fast"))
    assert grouped["logger"]["group"] == "fast"
    assert grouped["digest"] == plain["digest"]


def test_loggers_without_a_group_are_left_alone(hydra_config):
    assert job_values(job("logger=csv", "experiment=fast"))["logger"] == {}
