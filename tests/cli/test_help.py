"""``--help``: every key with its meaning, unit, range and the choice that it belongs to; nothing heavy is imported."""

import subprocess
import sys

import pytest
import yaml

from cli.running import ROOT, compose
from mlmd.cli.help import help_of
from mlmd.cli.program import CONF
from mlmd.cli.settings.docstrings import arguments_of
from mlmd.cli.settings.reference import defaults_of, entries

INTERNAL = {"trust", "digest", "format_version", "injection_name"}


@pytest.mark.parametrize("command", ["train", "simulate"])
def test_every_key_has_a_meaning(command):
    assert [entry.name for entry in entries(command) if not entry.meaning.strip()] == []


def keys(node, path=""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from keys(value, f"{path}{key}.")
        elif key not in ("_target_", "_partial_"):
            yield f"{path}{key}"


@pytest.mark.parametrize(
    ("command", "overrides"),
    [
        ("train", ()),
        (
            "train",
            ("model=linear", "hamiltonian=morse", "regime=thermal", "optimizer=soap", "callbacks=early_stopping"),
        ),
        ("train", ("system=custom", "regime=rotating", "data=file", "engine=numba")),
        ("train", ("system=molecule", "system.name=H2O", "hamiltonian=b3lyp", "logger=[csv,tensorboard]")),
        ("simulate", ("checkpoint=a", "injection=burst")),
        ("simulate", ("checkpoint=a", "injection=adaptive", "regime=thermal")),
        ("simulate", ("mode=on_the_fly",)),
    ],
)
def test_every_key_of_a_configuration_is_in_the_help(command, overrides):
    listed = {entry.name for entry in entries(command)}
    for key in keys(compose(command, *overrides)):
        if key.startswith("rollout.injections."):
            key = "rollout.injections.<name>." + key.split(".", 3)[3]
        if not key.startswith("logger.") and key not in INTERNAL:
            assert key in listed, key


def entry(command, name):
    return next(entry for entry in entries(command) if entry.name == name)


def test_a_key_of_some_choices_is_named_with_them():
    assert entry("train", "regime.temperature_K").only_with == ("regime=thermal",)
    assert entry("train", "optimizer.warmup").only_with == ("optimizer=soap",)
    assert entry("train", "optimizer.learning_rate").only_with == ()
    assert entry("simulate", "on_the_fly.first_steps").only_with == ("mode=on_the_fly",)
    assert "regime.temperature_K=300.0" in help_of("train")
    assert "with regime=thermal" in help_of("train")


def test_units_ranges_and_choices_are_listed():
    assert (entry("train", "rollout.n_steps").unit, entry("train", "rollout.n_steps").bounds) == (
        "MD steps",
        "at least 2",
    )
    assert entry("train", "seed").bounds == "from 0 to 4294967295"
    assert entry("train", "trainer.precision").bounds == "32-true | 64-true | bf16-mixed | 16-mixed"
    words = " ".join(help_of("train").split())
    assert "steps of a test rollout after ML takes over; in MD steps; at least 2" in words


def test_defaults_are_those_of_the_default_choices():
    composed = compose("train")
    assert defaults_of("train")["model"] == "3vR0"
    for name in ("model.hidden_size", "optimizer.learning_rate", "trainer.max_epochs", "system.dt_fs", "seed"):
        value = composed
        for part in name.split("."):
            value = value[part]
        assert entry("train", name).default == value, name


def test_every_choice_is_listed():
    for group in defaults_of("train"):
        for path in (CONF / group).glob("*.yaml"):
            assert path.stem in help_of("train"), (group, path.stem)


def test_what_a_class_inherits_is_documented_too():
    assert "peak (or constant) rate" in arguments_of("mlmd.training.SoapPlan")["learning_rate"]
    assert arguments_of("torch.nn.LSTM") == {}


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['train.py', '--help']\n"
        "from mlmd.cli.entry import run\nrun('train')\n"
        "heavy = {'torch', 'lightning', 'hydra', 'numpy', 'matplotlib', 'ase'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == help_of("train")


def test_lines_fit_a_wide_terminal():
    for command in ("train", "simulate"):
        assert max(map(len, help_of(command).splitlines())) <= 120


def test_the_examples_compose():
    for command in ("train", "simulate"):
        config = yaml.safe_load((CONF / f"{command}.yaml").read_text())
        assert config["defaults"]
