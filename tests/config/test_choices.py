"""Every file of every group makes an object that keeps the contract of its group.

The files are discovered: one that is added is tested like those that are shipped. What is known of the shipped ones
alone, such as the class that a name promises, is looked up by name and asked of no other file.
"""

import re
from typing import Any

import hydra
import lightning
import pytest
import torch
import yaml
from cli.running import compose
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from mlmd.cli.factories import check_device, make_callbacks, make_injections, make_predictor
from mlmd.cli.instantiate import build
from mlmd.cli.program import CONF
from mlmd.cli.settings import Component, TrainSettings
from mlmd.data.generation import DataPlan
from mlmd.data.module import BatchPlan
from mlmd.errors import ConfigError
from mlmd.hamiltonians import HarmonicBond, Method, MorseBond
from mlmd.models import StackedLSTM, model_name
from mlmd.models.memory import CarriedMemory, WindowMemory
from mlmd.propagation import Adaptive, Injection
from mlmd.systems import RotatingRegime, ThermalRegime, VibratingRegime, diatomic_table
from mlmd.systems.table import ALKALI_HALIDES
from mlmd.training import OptimizerPlan, SequenceLoss

PROMISED = {
    "hamiltonian": {"harmonic", "morse", "gfn2"},
    "regime": {"vibrating", "rotating", "thermal"},
    "memory": {"carried", "window"},
    "model": {"3vR0", "3uR0", "DuR0", "held", "linear"},
    "injection": {"always", "never", "every_100", "every_1000", "every_100_anchored", "burst", "adaptive"},
    "trainer": {"cpu", "gpu", "ddp"},
    "selection": {"loss", "rollout"},
    "logger": {"csv", "mlflow", "none", "tensorboard", "wandb"},
    "callbacks": {"early_stopping", "learning_rate_monitor", "none"},
    "loss": {"plain", "relative"},
    "optimizer": {"adam", "soap"},
    "sweep": {"one_job", "two_jobs", "slurm", "optuna"},
    "system": {*diatomic_table(), "custom", "CH4", "CO2", "H2O", "NH3", "ethanol", "molecule"},
}
"""Choices that have to exist; others may."""

GIVEN = {"calculator": "ase.calculators.emt.EMT", "name": "CH3OH"}
"""Values of keys that a shipped file leaves to the command line."""


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def node(group: str, name: str) -> dict[str, Any]:
    """The group of a composed choice, inherited files included; keys that the user has to give are filled in."""
    primary = "simulate" if group == "injection" else "train"
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composed = hydra.compose(primary, overrides=[f"{group}={name}"])[group]
    for key in [key.rpartition(".")[2] for key in sorted(OmegaConf.missing_keys(composed))]:
        if key not in GIVEN:
            pytest.skip(f"{group}={name} needs {group}.{key}")
        composed[key] = GIVEN[key]
    return OmegaConf.to_container(composed, resolve=True)


def made(values: dict[str, Any], path: str, **keywords: Any) -> Any:
    return build(Component.of(values, path), **keywords)


@pytest.mark.parametrize("group", PROMISED)
def test_the_promised_choices_exist(group):
    assert set(names(group)) >= PROMISED[group]


@pytest.mark.parametrize("name", names("system"))
def test_systems(name):
    values = {"cache": None} | node("system", name)
    assert isinstance(values["name"], str), "YAML reads an unquoted NO as a boolean"
    assert values["name"] == name or name not in diatomic_table()
    try:
        system = made(values, "system", hamiltonian=HarmonicBond)
    except ConfigError:
        check_molecule(name, values)
        return
    assert system.name == values["name"]
    assert isinstance(system.hamiltonian, HarmonicBond)
    if name in PROMISED["system"]:  # A twenty-second of the period, rounded down to two digits.
        assert 22.0 <= system.period_fs / system.dt_fs < 1.1 * 22.0
    if name in ALKALI_HALIDES:
        with pytest.raises(ConfigError, match=f"{name}: a Morse curve to neutral atoms is wrong"):
            made(values, "system", hamiltonian=MorseBond)
    elif name in diatomic_table():
        assert isinstance(made(values, "system", hamiltonian=MorseBond).hamiltonian, MorseBond)


def check_molecule(name: str, values: dict[str, Any]) -> None:
    """A system of more than two atoms, which takes a method and no analytic bond."""
    system = made(values, "system", hamiltonian=made(node("hamiltonian", "gfn2"), "hamiltonian"))
    assert system.name == values["name"]
    if name in PROMISED["system"]:  # A twenty-second of the fastest period, rounded down to 0.05 fs, given or not.
        assert 0 <= system.period_fs / 22 - system.dt_fs < 0.05
    for bond in (HarmonicBond, MorseBond):
        with pytest.raises(ConfigError, match=f"system {values['name']}: {bond.__name__} is an analytic bond"):
            made(values, "system", hamiltonian=bond)


def test_a_custom_diatomic_takes_a_morse_bond():
    values = node("system", "custom") | {"D_e_eV": 4.6}
    assert isinstance(made(values, "system", hamiltonian=MorseBond).hamiltonian, MorseBond)


@pytest.mark.parametrize("name", names("hamiltonian"))
def test_hamiltonians(name, hcl_morse):
    hamiltonian = made(node("hamiltonian", name), "hamiltonian")
    if isinstance(hamiltonian, Method):
        assert hamiltonian.name
        return
    bond = hamiltonian(hcl_morse.hamiltonian.constants)
    assert isinstance(bond, {"harmonic": HarmonicBond, "morse": MorseBond}.get(name, object))
    positions = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 1.3]]], dtype=torch.float64)
    energy, forces = bond.energy_and_forces(positions)
    assert (energy.shape, forces.shape) == ((1,), (1, 2, 3))
    assert bool(energy.isfinite().all() and forces.isfinite().all())


@pytest.mark.parametrize("name", names("regime"))
def test_regimes(name, hcl_morse):
    regime = made(node("regime", name), "regime")
    kinds = {"vibrating": VibratingRegime, "rotating": RotatingRegime, "thermal": ThermalRegime}
    assert isinstance(regime, kinds.get(name, object))
    for drawn_by in (regime, regime.for_training()):
        positions, velocities = drawn_by.draw(hcl_morse, 5, generator=torch.Generator().manual_seed(1))
        assert positions.shape == velocities.shape == (5, 2, 3)
        assert bool(positions.isfinite().all() and velocities.isfinite().all())


CODE = re.compile(r"[3D][vu]R\d+")
WITHOUT_LSTM = {"held": "DuR0 (held kick)", "linear": "DuR0 (linear, 16 steps)"}


@pytest.mark.parametrize("name", names("model"))
@pytest.mark.parametrize("memory", names("memory"))
def test_models_with_memories(name, memory, hcl_harmonic):
    settings = TrainSettings.from_config(compose("train", f"model={name}", f"memory={memory}"))
    predictor = make_predictor(settings, hcl_harmonic)
    variant = predictor.spec.variant
    assert variant == name or not CODE.fullmatch(name), "a file that is named by a code is of this variant"
    assert model_name(predictor.spec).startswith(WITHOUT_LSTM.get(name, variant))
    if not predictor.spec.network:
        assert predictor.memory.n_skipped == 0, "there is nothing to remember"
        return
    kinds = {"carried": CarriedMemory, "window": WindowMemory}
    assert isinstance(predictor.memory, kinds.get(memory, object))


CALLS = {"always": 10_000, "never": 0, "every_1000": 10, "every_100": 100, "every_100_anchored": 100, "burst": 100}
"""Force calls of the shipped schedules in 10,000 steps."""


@pytest.mark.parametrize("name", names("injection"))
def test_injections(name):
    values = node("injection", name)
    injection = make_injections({name: Component.of(values, name)})[name]
    assert isinstance(injection, Injection)
    assert (injection.anchor is not None) == (values.get("anchor") is not None)
    if name in PROMISED["injection"]:
        assert (injection.anchor is not None) == (name == "every_100_anchored")
        assert isinstance(injection.schedule, Adaptive) == (name == "adaptive")
    hits = [step for step in range(10_000) if injection.schedule.is_hamiltonian(step)]
    assert len(hits) == CALLS.get(name, len(hits))
    for step in (0, 1, 97):
        assert injection.schedule.next_hamiltonian(step, 10_000) == next((hit for hit in hits if hit >= step), 10_000)


@pytest.mark.parametrize("name", names("trainer"))
def test_trainers(name):
    values = compose("train", f"trainer={name}")["trainer"]
    if values["accelerator"] != "cpu" and not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="CUDA was asked for, but this machine has no usable CUDA device"):
            check_device(values["accelerator"])
        return
    assert check_device(values["accelerator"]) in ("cpu", "cuda")
    trainer = lightning.Trainer(**values, logger=False, enable_checkpointing=False, enable_model_summary=False)
    assert trainer.num_devices == {"cpu": 1, "gpu": 1, "ddp": 2}.get(name, trainer.num_devices)


@pytest.mark.parametrize("name", names("loss"))
def test_losses(name):
    loss = made(node("loss", name), "loss")
    assert isinstance(loss, SequenceLoss) or name not in PROMISED["loss"]
    predicted = torch.full((2, 4, 3), 0.5, requires_grad=True)
    value = loss(predicted, torch.ones(2, 4, 3))
    assert value.shape == ()
    value.backward()
    assert float(predicted.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", names("optimizer"))
def test_optimizers(name):
    plan = made(node("optimizer", name), "optimizer")
    assert isinstance(plan, OptimizerPlan) or name not in PROMISED["optimizer"]
    assert isinstance(plan.optimizer(StackedLSTM(1, 1, hidden_size=2, n_layers=1)), torch.optim.Optimizer)


def test_the_other_components_are_built():
    values = compose("train")
    assert isinstance(made(values["data"]["trajectories"], "data.trajectories"), DataPlan)
    assert isinstance(made(values["data"]["batches"], "data.batches"), BatchPlan)
    assert set(TrainSettings.from_config(values).rollout.injections) == {
        "never",
        "every_1000",
        "every_100",
        "every_100_anchored",
    }


@pytest.mark.parametrize("name", names("logger"))
def test_loggers(name):
    settings = TrainSettings.from_config(compose("train", f"logger={name}")).logger
    assert list(settings.trackers) == ([] if name in ("csv", "none") else [name])
    assert settings.mode in (None, "offline"), "nothing leaves the machine unless the user says so"


@pytest.mark.parametrize("name", names("callbacks"))
def test_callbacks(name):
    callbacks = make_callbacks(TrainSettings.from_config(compose("train", f"callbacks={name}")).callbacks)
    assert len(callbacks) == (name != "none")
    assert all(isinstance(callback, lightning.Callback) for callback in callbacks)


# Launcher, sweeper and jobs at once of every way to sweep.
SWEEPS = {
    "one_job": ("ProcessLauncher", "GridSweeper", 1),
    "two_jobs": ("ProcessLauncher", "GridSweeper", 2),
    "slurm": ("SlurmLauncher", "GridSweeper", 64),
    "optuna": ("ProcessLauncher", "SearchSweeper", 1),
}


@pytest.mark.parametrize("script", ["train", "simulate"])
@pytest.mark.parametrize("name", names("sweep"))
def test_sweeps(name, script):
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        composed = hydra.compose(script, overrides=[f"sweep={name}"], return_hydra_config=True)
    launcher, sweeper = composed.hydra.launcher, composed.hydra.sweeper
    chosen = (launcher._target_.rpartition(".")[2], sweeper._target_.rpartition(".")[2], sweeper.n_jobs)
    assert chosen == SWEEPS.get(name, chosen)
    assert compose(script, f"sweep={name}") == compose(script), "how jobs are swept is no part of them"


@pytest.mark.parametrize("path", sorted(CONF.glob("hydra/*/*.yaml")), ids=lambda path: path.stem)
def test_plugins_of_hydra_are_found(path):
    values = yaml.safe_load(path.read_text())
    assert values["_target_"] in Plugins.instance().class_name_to_class
    if "sampler" in values:
        assert made(values["sampler"], "sampler")(seed=3).__class__.__name__ == "TPESampler"
