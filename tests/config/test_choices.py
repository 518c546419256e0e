"""Every file of every group makes the object that its name promises."""

from typing import Any

import hydra
import lightning
import pytest
import torch
import yaml
from cli.running import compose
from hydra.core.plugins import Plugins

from mlmd.cli.factories import check_device, make_injections, make_predictor, model_name
from mlmd.cli.instantiate import build
from mlmd.cli.program import CONF
from mlmd.data.generation import DataPlan
from mlmd.data.module import BatchPlan
from mlmd.errors import ConfigError
from mlmd.hamiltonians import HarmonicBond, Method, MorseBond
from mlmd.models.memory import CarriedMemory, WindowMemory
from mlmd.propagation import Injection
from mlmd.systems import RotatingRegime, ThermalRegime, VibratingRegime, diatomic_table
from mlmd.systems.table import ALKALI_HALIDES
from mlmd.training import OptimizerPlan, SequenceLoss

MADE = {
    "hamiltonian": {"harmonic", "morse", "gfn2"},
    "regime": {"vibrating", "rotating", "thermal"},
    "memory": {"carried", "window"},
    "model": {"3vR0", "3uR0", "DuR0", "held", "linear"},
    "injection": {"always", "never", "every_100", "every_1000", "every_100_anchored", "burst", "adaptive"},
    "trainer": {"cpu", "gpu", "ddp"},
    "selection": {"loss", "rollout"},
    "logger": {"csv", "none", "wandb"},
}


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def node(group: str, name: str) -> dict[str, Any]:
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text())


@pytest.mark.parametrize("group", MADE)
def test_the_promised_choices_exist(group):
    assert set(names(group)) >= MADE[group]


MOLECULES = ("CH4", "CO2", "H2O", "NH3", "ethanol", "molecule")
"""Systems of more than two atoms, which take a method; the others take analytic bonds and methods."""


def test_there_is_a_file_for_every_molecule():
    assert set(names("system")) == {*diatomic_table(), "custom", *MOLECULES}


@pytest.mark.parametrize("name", MOLECULES)
def test_molecules(name):
    values = {"cache": None} | node("system", name)
    if name == "molecule":
        assert values["name"] == "???"
        values["name"] = "CH3OH"
    system = build(values, "system", hamiltonian=build(node("hamiltonian", "gfn2"), "hamiltonian"))
    assert system.name == values["name"]
    # A twenty-second of the fastest period, rounded down to 0.05 fs, given or not.
    assert 0 <= system.period_fs / 22 - system.dt_fs < 0.05
    for bond in ("harmonic", "morse"):
        with pytest.raises(ConfigError, match=f"system {system.name}: {bond.title()}Bond is an analytic bond"):
            build(values, "system", hamiltonian=build(node("hamiltonian", bond), "hamiltonian"))


@pytest.mark.parametrize("name", sorted({*names("system")} - {*MOLECULES}))
@pytest.mark.parametrize("bond", [HarmonicBond, MorseBond])
def test_systems(name, bond):
    values = node("system", name)
    if name == "custom" and bond is MorseBond:
        values["D_e_eV"] = 4.6
    if name in ALKALI_HALIDES and bond is MorseBond:
        with pytest.raises(ConfigError, match=f"{name}: a Morse curve to neutral atoms is wrong"):
            build(values, "system", hamiltonian=bond)
        return
    system = build(values, "system", hamiltonian=bond)
    assert isinstance(values["name"], str)
    assert system.name == name
    assert isinstance(system.hamiltonian, bond)
    # A twenty-second of the period, rounded down to two digits.
    assert 22.0 <= system.period_fs / system.dt_fs < 1.1 * 22.0


@pytest.mark.parametrize(("name", "made"), [("harmonic", HarmonicBond), ("morse", MorseBond)])
def test_hamiltonians(name, made, hcl_harmonic):
    bond = build(node("hamiltonian", name), "hamiltonian")
    assert isinstance(bond(hcl_harmonic.hamiltonian.constants), made)


@pytest.mark.parametrize("name", sorted({*names("hamiltonian")} - {"harmonic", "morse"}))
def test_methods(name):
    values = node("hamiltonian", name)
    if name == "ase":
        assert values["calculator"] == "???"
        values["calculator"] = "ase.calculators.emt.EMT"
    method = build(values, "hamiltonian")
    assert isinstance(method, Method)
    assert method.name


@pytest.mark.parametrize("name", names("regime"))
def test_regimes(name, hcl_morse):
    regime = build(node("regime", name), "regime")
    kinds = {"vibrating": VibratingRegime, "rotating": RotatingRegime, "thermal": ThermalRegime}
    assert isinstance(regime, kinds[name])
    positions, velocities = regime.draw(hcl_morse, 5, generator=torch.Generator().manual_seed(1))
    assert positions.shape == velocities.shape == (5, 2, 3)
    assert bool(positions.isfinite().all() and velocities.isfinite().all())


WITHOUT_LSTM = {"held": "DuR0 (held kick)", "linear": "DuR0 (linear, 16 steps)"}


@pytest.mark.parametrize("name", names("model"))
@pytest.mark.parametrize("memory", names("memory"))
def test_models_with_memories(name, memory, hcl_harmonic):
    values = {"model": node("model", name), "memory": node("memory", memory)}
    predictor = make_predictor(values, hcl_harmonic)
    assert predictor.spec.variant == ("DuR0" if name in WITHOUT_LSTM else name)
    assert model_name(predictor).startswith(WITHOUT_LSTM.get(name, name))
    if name in WITHOUT_LSTM:
        assert predictor.memory.n_skipped == 0, "there is nobody to remember"
        return
    kind = {"carried": CarriedMemory, "window": WindowMemory}[memory]
    assert isinstance(predictor.memory, kind)


# Force calls that each takes in 10,000 steps; the adaptive one cannot hear here, so it stays at its shortest.
CALLS = {"always": 10_000, "never": 0, "every_1000": 10, "every_100": 100, "every_100_anchored": 100, "burst": 100}


@pytest.mark.parametrize("name", names("injection"))
def test_injections(name):
    injection = make_injections({name: node("injection", name)})[name]
    assert isinstance(injection, Injection)
    assert (injection.anchor is not None) == ("anchored" in name)
    if name in CALLS:
        assert sum(map(injection.schedule.is_hamiltonian, range(10_000))) == CALLS[name]
    else:
        assert injection.schedule.listens


@pytest.mark.parametrize("name", names("trainer"))
def test_trainers(name):
    values = compose("train", f"trainer={name}")["trainer"]
    if name == "gpu" and not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="CUDA was asked for, but this machine has no usable CUDA device"):
            check_device(values["accelerator"])
        return
    assert check_device(values["accelerator"]) in ("cpu", "cuda")
    trainer = lightning.Trainer(**values, logger=False, enable_checkpointing=False, enable_model_summary=False)
    assert trainer.num_devices == (2 if name == "ddp" else 1)


def test_what_else_is_built():
    values = compose("train")
    assert isinstance(build(values["data"]["trajectories"], "data.trajectories"), DataPlan)
    assert isinstance(build(values["data"]["batches"], "data.batches"), BatchPlan)
    for group, made in (("optimizer", OptimizerPlan), ("loss", SequenceLoss)):
        for name in names(group):
            assert isinstance(build(node(group, name), group), made)
    assert set(make_injections(values["rollout"]["injections"])) == {
        "never",
        "every_1000",
        "every_100",
        "every_100_anchored",
    }


@pytest.mark.parametrize("name", names("logger"))
def test_loggers(name):
    values = compose("train", f"logger={name}")["logger"]
    assert values["wandb"] is (name == "wandb")
    assert values.get("mode", "offline") == "offline", "nothing leaves the machine unless the user says so"


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
    assert chosen == SWEEPS[name]
    assert compose(script, f"sweep={name}") == compose(script), "how jobs are swept is no part of them"


@pytest.mark.parametrize("path", sorted(CONF.glob("hydra/*/*.yaml")), ids=lambda path: path.stem)
def test_plugins_of_hydra_are_found(path):
    values = yaml.safe_load(path.read_text())
    assert values["_target_"] in Plugins.instance().class_name_to_class
    if "sampler" in values:
        assert build(values["sampler"], "sampler")(seed=3).__class__.__name__ == "TPESampler"
