import re
from pathlib import Path

import pytest
from cli.running import compose
from hydra.core.override_parser.overrides_parser import OverridesParser

import mlmd.cli.launch  # noqa: F401  # its resolvers are part of the configuration
from mlmd.cli.overrides import check_overrides
from mlmd.cli.settings import TrainSettings
from mlmd.errors import ConfigError, DataError

UNKNOWN = [
    ("train", ["system=HCL"], r"system=HCL: there is no such choice of system: did you mean 'HCl'"),
    ("train", ["system=no"], r"system=no: .*'NO'"),
    ("train", ["system=null"], r"system=null: there is no such choice of system"),
    ("train", ["model=DuR9"], r"model=DuR9: there is no such choice of model: did you mean 'DuR0'"),
    ("train", ["experiment=slow"], r"experiment=slow: there is no such choice of experiment: .*'fast'"),
    ("train", ["callbacks=stopping"], r"callbacks=stopping: there is no such choice of callbacks: .*'early_stopping'"),
    ("train", ["modle=DuR0"], r"modle: there is no such key: did you mean 'model'"),
    ("train", ["model.hiden_size=3"], r"model\.hiden_size: there is no such key: did you mean 'model\.hidden_size'"),
    ("train", ["regime=thermal", "regime.temprature_K=9"], r"regime\.temprature_K: .*'regime\.temperature_K'"),
    ("train", ["regime.temperature_K=9"], r"regime\.temperature_K belongs to regime=thermal"),
    ("train", ["injection=every_100"], r"injection: there is no such key in train\.py: it belongs to simulate\.py"),
    ("train", ["hydra.run.dri=x"], r"hydra\.run\.dri: there is no such key: did you mean 'hydra\.run\.dir'"),
    ("train", ["+foo=1"], r"foo: there is no such key: known: 'callbacks', 'data', .*'trainer'"),
    ("train", ["~hamiltonian"], r"hamiltonian was removed from the configuration, but is needed"),
    ("train", ["system=HCl,HCL"], r"system=HCL: there is no such choice of system"),
    ("simulate", ["injection=every_10"], r"injection=every_10: .*did you mean 'every_100'"),
    ("simulate", ["n_step=5"], r"n_step: there is no such key: did you mean 'n_steps'"),
]

WRONG_TYPES = [
    ("seed=abc", "seed = abc must be a whole number"),
    ("seed=1.5", "seed = 1.5 must be a whole number"),
    ("threads=true", "threads = True must be a whole number"),
    ("rollout.n_steps=many", "rollout.n_steps = many must be a whole number"),
    ("system.dt_fs=half", "system.dt_fs = half must be a number"),
    ("model.shortcut=2", "model.shortcut = 2 must be true or false"),
    ("seed=1,x", "seed = x must be a whole number"),
]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(("script", "arguments", "words"), UNKNOWN, ids=lambda value: str(value)[:30])
def test_the_error_for_an_unknown_name_offers_the_nearest(script, arguments, words):
    with pytest.raises(ConfigError) as error:
        check_overrides(arguments, script)
    assert re.match(words, one_line(error))


@pytest.mark.parametrize(("argument", "words"), WRONG_TYPES)
def test_a_value_of_another_type_is_refused(argument, words):
    with pytest.raises(ConfigError) as error:
        check_overrides([argument], "train", multirun="," in argument)
    assert one_line(error) == words


@pytest.mark.parametrize(
    ("argument", "words"),
    [("model", "model: settings are written KEY=VALUE"), ("model=[1", "cannot read the command line")],
)
def test_an_override_that_cannot_be_parsed_is_one_line(argument, words):
    with pytest.raises(ConfigError, match=words) as error:
        check_overrides([argument], "train")
    one_line(error)


@pytest.mark.parametrize(
    "arguments",
    [
        ["system=NO", "model=DuR0", "experiment=fast"],
        ["system=custom", "system.masses_u=[2.014,34.969]", "system.name=DCl"],
        ["memory=window", "memory.length=8", "trainer.devices=auto", "data.cache=null", "~rollout.injections.never"],
        ["system=H2,HCl", "model=3vR0,DuR0,3uR0", "seed=range(1,4)"],
        ["model=glob(*)", "system=glob(H*)"],
        ["sweep=optuna", "seed=range(1,1000000)", "data.batches.noise=tag(log,interval(1e-4,1e-2))"],
        ["sweep=slurm", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", "seed=1,2"],
    ],
)
def test_valid_overrides_pass(arguments, tmp_path):
    check_overrides(arguments, "train", multirun=True)
    assert not list(tmp_path.iterdir()), "a check leaves nothing behind"


@pytest.mark.parametrize(("key", "multirun"), [("hydra.run.dir", False), ("hydra.sweep.dir", True)])
def test_a_folder_below_a_file_is_refused_before_hydra_makes_it(key, multirun, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="a part of the path is a file, not a folder; choose another folder"):
        check_overrides([f"{key}={tmp_path}/file/deeper/still"], "train", multirun=multirun)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_files_is_refused():
    with pytest.raises(DataError, match=r"cannot write /proc"):  # read-only even for the superuser
        check_overrides(["hydra.run.dir=/proc/mlmd/run"], "train")


@pytest.mark.parametrize("script", ["train", "simulate"])
def test_a_misspelt_folder_to_resume_is_not_made(script, tmp_path):
    with pytest.raises(DataError, match="gone is not the folder of a run: it holds no config"):
        check_overrides(["resume=gone"], script)
    assert not (tmp_path / "gone").exists()


def test_a_way_to_sweep_needs_a_sweep():
    with pytest.raises(ConfigError) as error:
        check_overrides(["sweep=two_jobs"], "train")
    assert one_line(error) == "sweep=two_jobs is for sweeps: add --multirun"


def test_the_ends_of_an_interval_are_checked():
    with pytest.raises(ConfigError, match=r"model.hidden_size = 8.0 must be a whole number"):
        check_overrides(["sweep=optuna", "model.hidden_size=interval(8,64)"], "train", multirun=True)
    with pytest.raises(ConfigError, match=r"data.batches.nois: there is no such key"):
        check_overrides(["data.batches.nois=interval(0,1)"], "train", multirun=True)


def test_a_way_to_sweep_whose_package_is_missing_is_refused(monkeypatch):
    monkeypatch.setattr("mlmd.sweeps.extras.find_spec", {}.get)
    for choice, package in (("sweep=slurm", "hydra-submitit-launcher"), ("hydra/sweeper=optuna", "optuna")):
        with pytest.raises(ConfigError, match=f"{choice} needs the package {package}, which is not installed") as error:
            check_overrides([choice, "seed=1,2"], "train", multirun=True)
        one_line(error)


@pytest.mark.parametrize("value", ["a b(c)", "it's", "50%(x)"])
def test_a_value_that_only_lacks_quotes_is_shown_with_them(value):
    with pytest.raises(ConfigError, match="needs quotes of its own") as refused:
        check_overrides([f"hydra.run.dir={value}"], "train")
    shown = str(refused.value).partition("of its own: ")[2][1:-1]
    (override,) = OverridesParser.create().parse_overrides([shown])
    assert override.value() == value


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"link is a link that leads nowhere; remove it"):
        check_overrides([f"hydra.run.dir={tmp_path}/link/run"], "train")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("max_steps=0", "trainer.max_steps = 0 must be a whole number, at least 1"),
        ("accumulate_grad_batches=-1", "trainer.accumulate_grad_batches = -1 must be a whole number, at least 1"),
        ("check_val_every_n_epoch=0", "trainer.check_val_every_n_epoch = 0 must be a whole number, at least 1"),
        (
            "limit_train_batches=0",
            "trainer.limit_train_batches = 0 must be .*, or a part of all, above 0 and at most 1",
        ),
        ("limit_val_batches=1.5", r"trainer.limit_val_batches = 1\.5 must be .*, or a part of all"),
        ("limit_test_batches=none", "trainer.limit_test_batches = 'none' must be"),
    ],
)
def test_arguments_of_the_trainer_that_train_nothing_are_refused(line, words):
    with pytest.raises(ConfigError, match=words):
        TrainSettings.from_config(compose("train", f"+trainer.{line}"))


@pytest.mark.parametrize("line", ["max_steps=-1", "max_steps=7", "limit_train_batches=0.5", "limit_val_batches=3"])
def test_other_arguments_of_the_trainer_are_taken(line):
    TrainSettings.from_config(compose("train", f"+trainer.{line}"))
