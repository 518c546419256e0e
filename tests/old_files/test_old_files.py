"""Files of earlier versions load, and runs that an earlier version began end with the numbers of that version.

``write.py`` wrote ``v1`` with the first format versions. On the processor that wrote it, all numbers are equal bit for
bit; the tolerances allow for the float32 round-off of other processors.
"""

import json

import pytest
import torch
import yaml
from ase import Atoms, units
from ase.calculators.morse import MorsePotential
from cli.running import judged, weights

from mlmd.ase import MLMD
from mlmd.cli.settings import OnTheFlySettings, SimulateSettings, TrainSettings
from mlmd.io.load_predictor import load_predictor
from mlmd.io.migrations import CONFIG_VERSION
from mlmd.io.run_folder import read_config
from mlmd.io.trajectory_file import read_trajectory
from mlmd.propagation import EagerEngine
from old_files.write import TINY_SIMULATION

MASSES_U = [1.0078250322, 34.968852694]
"""Of HCl, as in ``write.py``."""

POSITIONS = {"rtol": 0.0, "atol": 1e-6}  # A; a kick's round-off times some hundred steps
WEIGHTS = {"rtol": 1e-3, "atol": 1e-4}
METRICS = {"rel": 1e-3, "abs": 1e-6, "nan_ok": True}

MODELS = ("3vR0", "DuR0", "H2O")
RUNS = (*MODELS, *(f"{name}_simulation" for name in MODELS), "training", "simulation", "on_the_fly")


def needs_its_method(name):
    if name.startswith("H2O"):
        pytest.importorskip("tblite", reason="pip install -e '.[qm]'")


def assert_same_trajectory(file, expected):
    (ours, metadata), (theirs, stored) = read_trajectory(file), read_trajectory(expected)
    assert torch.equal(ours.steps, theirs.steps)
    for field in ("positions", "velocities", "kicks"):
        torch.testing.assert_close(getattr(ours, field), getattr(theirs, field), **POSITIONS)
    assert (metadata["dt_fs"], metadata["symbols"]) == (stored["dt_fs"], stored["symbols"])
    assert metadata["counts"] == stored["counts"]


def assert_same_numbers(run, expected):
    theirs = {name: value for name, value in json.loads(expected.read_text()).items() if not name.startswith("cost/")}
    ours = judged(run)
    assert theirs.keys() <= ours.keys()
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, **METRICS)


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_propagates_as_it_did(name, old, cli):
    needs_its_method(name)
    arguments = (f"checkpoint={name}", *TINY_SIMULATION, "n_steps=100", "judge=false", "hydra.run.dir=again")
    ended = cli("simulate", *arguments)
    assert (ended.code, ended.err) == (0, "")
    assert_same_trajectory(old / "again" / "trajectory.h5", old / f"{name}_simulation" / "trajectory.h5")


@pytest.mark.parametrize("name", MODELS)
def test_a_checkpoint_holds_its_system(name, old):
    spec = load_predictor(old / name).spec
    assert (spec.variant, len(spec.symbols)) == {"3vR0": ("3vR0", 2), "DuR0": ("DuR0", 2), "H2O": ("DuR0", 3)}[name]


@pytest.mark.filterwarnings("ignore:The loaded checkpoint was produced with Lightning")  # a newer one than installed
def test_an_interrupted_training_continues(old, cli):
    assert cli("train", "resume=training").code == 0
    ours, theirs = weights(old / "training/last.ckpt"), weights(old / "expected/training/last.ckpt")
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], **WEIGHTS)
    assert_same_numbers(old / "training", old / "expected/training/metrics.json")


def test_an_interrupted_simulation_continues(old, cli):
    ended = cli("simulate", "resume=simulation")
    assert (ended.code, ended.err) == (0, "")
    assert "resuming every_100_anchored at step 50 of 300" in ended.out
    assert_same_trajectory(old / "simulation/trajectory.h5", old / "expected/simulation/trajectory.h5")
    assert_same_numbers(old / "simulation", old / "expected/simulation/metrics.json")


def test_an_interrupted_run_on_the_fly_continues_with_its_predictor(old, cli):
    trained = (old / "on_the_fly/round_1/best.ckpt").read_bytes()
    ended = cli("simulate", "resume=on_the_fly")
    assert (ended.code, ended.err) == (0, "")
    assert "resuming" in ended.out
    assert [path.read_bytes() == trained for path in (old / "on_the_fly").glob("*_1/best.ckpt")] == [True]
    assert_same_numbers(old / "on_the_fly", old / "expected/on_the_fly/metrics.json")


def test_mlmd_inside_ase_continues(old):
    atoms = Atoms("HCl", [[0, 0, 0], [0, 0, 1.31]], masses=MASSES_U)
    atoms.calc = MorsePotential(epsilon=4.6174, r0=1.27455, rho0=2.3809)
    dynamics = MLMD(atoms, 0.5 * units.fs, old / "DuR0", injection=0.1, start_step=20, engine=EagerEngine())
    dynamics.load_state_dict(torch.load(old / "ase/restart.pt", weights_only=True))
    assert dynamics.nsteps == 45
    dynamics.run(55)
    expected = torch.load(old / "ase/expected.pt", weights_only=True)
    torch.testing.assert_close(torch.from_numpy(atoms.get_positions()), expected["positions"], **POSITIONS)
    torch.testing.assert_close(torch.from_numpy(atoms.get_momenta()), expected["momenta"], **POSITIONS)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("logger", [None, {"wandb": True, "project": "mlmd", "mode": "offline", "group": None}])
def test_the_settings_of_a_run_are_valid_in_the_present_format(name, logger, old):
    stored = yaml.safe_load((old / name / "config.yaml").read_text())
    (old / name / "config.yaml").write_text(yaml.safe_dump(stored if logger is None else stored | {"logger": logger}))
    config = read_config(old / name)
    assert config["format_version"] == CONFIG_VERSION
    settings = TrainSettings if "rollout" in config else SimulateSettings
    (OnTheFlySettings if config.get("mode") == "on_the_fly" else settings).from_config(config)
