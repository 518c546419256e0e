"""Mistakes that newcomers make are answered with the cure, in one line."""

import pytest

from mlmd.cli.cures import ALIASES, check_options
from mlmd.cli.overrides import arranged, check_overrides
from mlmd.cli.settings.reference import entries
from mlmd.errors import ConfigError

TRAIN = {
    "temperature=300": "temperature: there is no such key; use regime=thermal regime.temperature_K=",
    "regime.temperature_K=300": "regime.temperature_K belongs to regime=thermal: add regime=thermal",
    "+trainer.gradient_clip_val=1": "trainer.gradient_clip_val is given by mlmd itself: set optimizer.gradient_clip=",
    "+trainer.deterministic=true": "trainer.deterministic is given by mlmd itself: every run is deterministic",
    "+trainer.fast_dev_run=true": "trainer.fast_dev_run is given by mlmd itself: experiment=fast",
    "+trainer.logger=true": "trainer.logger is given by mlmd itself: choose it with logger=",
    "fast_dev_run=true": "fast_dev_run: there is no such key; use experiment=fast",
    "epochs=5": "epochs: there is no such key; use trainer.max_epochs",
    "lr=0.01": "lr: there is no such key; use optimizer.learning_rate",
    "device=cuda": "device: there is no such key; use trainer=gpu",
    "dt=0.5": "dt: there is no such key; use system.dt_fs",
    "molecule=H2O": "molecule: there is no such key; use system=",
    "n_steps=100": "n_steps: there is no such key: did you mean 'data.trajectories.n_steps' or 'ret",
    "batch_size=64": "batch_size: there is no such key: did you mean 'data.batches.batch_size'?",
    "checkpoint=a": "checkpoint: there is no such key in train.py: it belongs to simulate.py",
    "optimizer.warmup=0.1": "optimizer.warmup belongs to optimizer=soap: add optimizer=soap",
    "warmup=0.1": "warmup: there is no such key: did you mean 'memory.warmup'?",
    "patience=3": "patience: there is no such key; callbacks.early_stopping.patience belongs to callbacks=early_stop",
    "system=HCL": "system=HCL: there is no such choice of system: did you mean 'HCl'",
    "seed=1,2": "seed=1,2 gives several values: add --multirun",
    "resume=true": "resume = True must be the folder of an interrupted run",
    "help": "help: settings are written KEY=VALUE",
    "xyzzy=1": "xyzzy: there is no such key: known: 'callbacks', ",
}

SIMULATE = {
    "injection=every_50": "Any frequency: injection=every_100 injection.schedule.frequency=0.02",
    "injection=every_7_anchored": "Any frequency: injection=every_100_anchored injection.schedule.frequency=0.142857",
    "regime.temperature_K=600": "regime.temperature_K belongs to regime=thermal: add regime=thermal",
    "model=DuR0": "it belongs to train.py; with mode=on_the_fly, simulate.py takes it too",
    "rollout.n_steps=5": "rollout.n_steps: there is no such key in simulate.py: it belongs to train.py",
    "on_the_fly.first_steps=10": "on_the_fly.first_steps belongs to mode=on_the_fly: add it",
    "frequency=0.02": "frequency: there is no such key; use injection.schedule.frequency",
}


def refusal(command: str, *arguments: str) -> str:
    with pytest.raises(ConfigError) as error:
        check_overrides(arranged(list(arguments)), command)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(("argument", "words"), TRAIN.items())
def test_a_mistake_in_train_has_its_cure(argument, words):
    assert words in refusal("train", argument)


@pytest.mark.parametrize(("argument", "words"), SIMULATE.items())
def test_a_mistake_in_simulate_has_its_cure(argument, words):
    assert words in refusal("simulate", argument)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "3vR0"], "--model: settings are written without dashes: model=3vR0"),
        (["--model=3vR0"], "--model=3vR0: settings are written without dashes: model=3vR0"),
        (["-lr", "0.1"], "-lr: settings are written without dashes: lr=0.1"),
        (["--n-steps", "--seed"], "--n-steps: settings are written without dashes: n_steps=<value>"),
    ],
)
def test_settings_that_are_written_as_options(arguments, words):
    with pytest.raises(ConfigError) as error:
        arranged(arguments)
    assert str(error.value) == words


def test_options_of_hydra_are_left_alone():
    check_options(["--cfg", "job", "-m", "--config-dir", "mine", "--info=all", "seed=-1"])


def test_every_key_that_a_cure_names_exists():
    names = {entry.name for command in ("train", "simulate") for entry in entries(command)}
    for cure in ALIASES.values():
        for word in cure.replace(",", " ").split():
            key = word.partition("=")[0].strip("()")
            if "." in key and not key.startswith("hydra"):
                assert key in names, cure
