"""What a user can get wrong on the command line: one clear line, exit code 2, nothing half-written."""

import pytest
import torch

from cli.running import FAST, SHORT, TO_LEARN

BAD_TRAINING = {
    "injection frequency above one": (
        ["rollout.injections.never.schedule.frequency=1.5"],
        "frequency = 1.5 must lie in [0, 1]",
    ),
    "negative injection frequency": (
        ["rollout.injections.never.schedule.frequency=-0.1"],
        "frequency = -0.1 must lie in [0, 1]",
    ),
    "frequency not a number": (
        ["rollout.injections.never.schedule.frequency=nan"],
        "frequency = nan must be a finite number",
    ),
    "no time step": (["system.dt_fs=0"], "system.dt_fs = 0 must be positive"),
    "negative time step": (["system.dt_fs=-0.5"], "system.dt_fs = -0.5 must be positive"),
    "time step not a number": (["system.dt_fs=nan"], "system.dt_fs = nan must be a finite number"),
    "coarse time step": (
        ["system.dt_fs=1.2"],
        "system.dt_fs = 1.2 is too coarse for HCl (period 11.15 fs): the limit is 1.115 fs, a tenth of a period",
    ),
    "massless atom": (["system=custom", "system.masses_u=[0,35]"], "masses_u = [0, 35] must be positive"),
    "one mass": (["system=custom", "system.masses_u=[1.0]"], "a diatomic has two symbols and two masses"),
    "no steps": (["rollout.n_steps=0"], "rollout.n_steps = 0 must be at least 2"),
    "no replicas": (["rollout.n_replicas=0"], "rollout.n_replicas = 0 must be at least 1"),
    "no validation steps": (["rollout.val_n_steps=0"], "rollout.val_n_steps = 0 must be at least 2"),
    "ML at once": (["rollout.start_step=3"], "start_step = 3 is too early: DuR0 with this memory needs 17"),
    "no data": (["data.trajectories.n_train=0"], "data.trajectories.n_train = 0 must be at least 1"),
    "short data": (["data.trajectories.n_steps=20"], "is longer than the 19 usable steps of a trajectory"),
    "short stretches": (
        ["data.batches.sequence_length=10"],
        "sequence_length = 10 must exceed the 16 steps",
    ),
    "no temperature": (["regime=thermal", "regime.temperature_K=0"], "regime.temperature_K = 0 must be positive"),
    "cold": (["regime=thermal", "regime.temperature_K=-5"], "regime.temperature_K = -5 must be positive"),
    "negative energy": (["regime=vibrating", "regime.vibrational_energy_kT=-1"], "must be positive"),
    "broken bond": (
        ["regime=vibrating", "regime.vibrational_energy_eV=9"],
        "9 eV breaks the Morse bond (D_e = 4.617",
    ),
    "alkali halide": (["system=NaCl"], "NaCl: a Morse curve to neutral atoms is wrong for this alkali halide"),
    "no D_e": (["system=custom"], "custom: a Morse bond needs D_e_eV; give it or use hamiltonian=harmonic"),
    "unknown target": (["model.target=force"], "model.target = 'force' is unknown"),
    "no layers": (["model.n_layers=0"], "model.n_layers = 0 must be from 1 to 64"),
    "no history": (["model.history=0"], "model.history = 0 must be from 1 to 10000"),
    "long history": (["model.history=40"], "start_step = 32 is too early: DuR0 with this memory needs 56"),
    "history longer than data": (
        ["model=linear", "model.history=70", "rollout.start_step=80", "data.trajectories.n_steps=70"],
        "data.trajectories.n_steps = 70 is too short: the first input needs 70 steps before it",
    ),
    "nothing that predicts": (
        ["model=linear", "model.shortcut=false"],
        "model.shortcut = False and model.network = False leave nothing that predicts: set one of them to true",
    ),
    "unknown shortcut": (["model=held", "model.shortcut=hold"], "model.shortcut = 'hold' is unknown: did you mean 'he"),
    "no window": (["memory=window", "memory.length=0"], "memory.length = 0 must be at least 1"),
    "unbounded window": (["memory=window", "memory.length=null"], "memory.length is missing"),
    "seed out of range": (["seed=-1"], "seed = -1 must be a whole number from 0 to 4294967295"),
    "no seed": (["seed=null"], "seed = None must be a whole number"),
    "no threads": (["threads=0"], "threads = 0 must be at least 1"),
    "no epochs": (["trainer.max_epochs=0"], "trainer.max_epochs = 0 must be at least 1"),
    "endless": (["trainer.max_epochs=-1"], "trainer.max_epochs = -1 must be at least 1"),
    "half precision": (
        ["trainer.precision=16-true"],
        "trainer.precision = '16-true' is unknown: did you mean '64-true' or '32-true'",
    ),
    "no devices": (["trainer.devices=0"], "trainer: `Trainer(devices=0)` value is not a valid input"),
    "unknown strategy": (["trainer.strategy=hope"], "trainer: You selected an invalid strategy name"),
    "unknown accelerator": (
        ["trainer.accelerator=tpu"],
        "trainer.accelerator = 'tpu' is unknown: did you mean 'gpu' or 'cpu'?",
    ),
    "unknown argument": (["+trainer.hope=1"], "trainer: Trainer.__init__() got an unexpected keyword argument 'hope'"),
    "selection without rollouts": (
        ["selection=rollout", "rollout.every_n_epochs=0"],
        "selection.every_n_epochs = 0 must be at least 1; selection=rollout takes it from rollout.every_n_epochs",
    ),
    "unknown monitor": (
        ["selection.monitor=val/los"],
        "selection.monitor = 'val/los' is not logged where it is",
    ),
    "monitor of a schedule that is not run": (
        ["selection=rollout", "~rollout.injections.every_100"],
        "did you mean 'val/every_1000/energy_error_median'",
    ),
    "unknown W&B mode": (
        ["logger=wandb", "logger.mode=loud"],
        "logger.mode = 'loud' is unknown; known: 'offline'",
    ),
    "misspelt target": (
        ["~hamiltonian._target_", "+hamiltonian._targt_=mlmd.hamiltonians.MorseBond"],
        "hamiltonian has no _target_, so nothing can be made of it (it has '_partial_', '_targt_')",
    ),
    "nested misspelt target": (
        ["~rollout.injections.never.schedule._target_"],
        "rollout.injections.never.schedule has no _target_",
    ),
    "unknown class": (
        ["hamiltonian._target_=mlmd.hamiltonians.MorsBond"],
        "hamiltonian: there is no mlmd.hamiltonians.MorsBond: did you mean 'MorseBond'",
    ),
    "resume nowhere": (["resume=nowhere"], "nowhere is not the folder of a run: it holds no config.yaml"),
    "folder below a file": (
        ["hydra.run.dir=file/run"],
        "a part of the path is a file, not a folder",
    ),
}

BAD_SIMULATION = {
    "early start": (
        ["start_step=5"],
        "start_step = 5 is too early: DuR0 with this memory needs 17 Hamiltonian steps",
    ),
    "no warm-up": (["start_step=0"], "start_step = 0 must be at least 1"),
    "late start": (["start_step=132"], "n_steps = 132 ends before ML starts: it must exceed start_step = 132"),
    "no steps": (["n_steps=0"], "n_steps = 0 must be at least 1"),
    "no replicas": (["n_replicas=-1"], "n_replicas = -1 must be at least 1"),
    "no chunks": (["chunk_steps=0"], "chunk_steps = 0 must be at least 1, or null"),
    "frames too far apart": (["every=6"], "every = 6 leaves 3.7 frames a period of HCl, and judging needs 8; lower it"),
    "too few frames": (["every=100"], "every = 100 leaves 1 frame(s) after start_step = 32 to judge; lower it"),
    "seed out of range": (["seed=-1"], "seed = -1 must be a whole number from 0 to 4294967295"),
    "frequency": (["injection.schedule.frequency=2"], "frequency = 2 must lie in [0, 1]"),
    "another time step": (
        ["system=HCl", "system.dt_fs=0.4"],
        "the predictor has learned dt_fs = 0.5, the system asks for 0.4; use system.dt_fs=0.5 or train anew",
    ),
    "another molecule": (
        ["system=NO"],
        "the predictor was trained for HCl (H 1.0078 u, Cl 34.9689 u), not for NO (N 14.0031 u, O 15.9949 u)",
    ),
    "another isotope": (
        ["system=custom", "system.name=HCl", "system.masses_u=[2.0141,34.968852694]", "hamiltonian=harmonic"],
        "the predictor was trained for HCl (H 1.0078 u, Cl 34.9689 u), not for HCl (H 2.0141 u, Cl 34.9689 u)",
    ),
    "no checkpoint": (
        ["checkpoint=null"],
        "checkpoint is missing: give checkpoint=<file, or folder",
    ),
    "missing checkpoint": (["checkpoint=gone.ckpt"], "cannot read gone.ckpt: there is no such file; check the path"),
    "temperature": (["regime=thermal", "regime.temperature_K=-1"], "regime.temperature_K = -1 must be positive"),
    "coarse time step": (["system=HCl", "system.dt_fs=4"], "system.dt_fs = 4 is too coarse for HCl"),
    "unknown device": (["device=tpu"], "device = 'tpu' is unknown: did you mean 'gpu' or 'cpu'?"),
}


def assert_refused(ended, words: str, folder) -> None:
    assert ended.code == 2
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("error: ")
    assert words in ended.err
    left = [path for path in folder.rglob("*") if path.is_file() and path.name != "file"]
    assert not [path for path in left if path.suffix in (".h5", ".tmp", ".png") or path.name == "metrics.json"]


@pytest.mark.parametrize(("overrides", "words"), BAD_TRAINING.values(), ids=list(BAD_TRAINING))
def test_a_bad_value_for_a_training_is_refused(overrides, words, cli, tmp_path):
    (tmp_path / "file").touch()
    overrides = overrides if overrides[0].startswith("resume") else [*FAST, *TO_LEARN, *overrides]
    assert_refused(cli("train", *overrides), words, tmp_path)


@pytest.mark.parametrize(("overrides", "words"), BAD_SIMULATION.values(), ids=list(BAD_SIMULATION))
def test_a_bad_value_for_a_simulation_is_refused(overrides, words, trained, cli, tmp_path):
    checkpoint = [] if overrides[0].startswith("checkpoint") else [f"checkpoint={trained}"]
    assert_refused(cli("simulate", *checkpoint, *SHORT, *overrides), words, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize(("script", "override"), [("train", "trainer=gpu"), ("simulate", "device=cuda")])
def test_a_missing_cuda_is_refused(script, override, trained, cli, tmp_path):
    arguments = FAST if script == "train" else (f"checkpoint={trained}", *SHORT)
    words = "CUDA was asked for, but this machine has no usable CUDA device; use trainer=cpu (device=cpu)"
    assert_refused(cli(script, *arguments, override), words, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [(["system=molecule", "hamiltonian=gfn2"], "system.name"), (["hamiltonian=ase"], "hamiltonian.calculator")],
)
def test_a_value_that_is_missing_is_named(arguments, key, cli):
    ended = cli("train", *arguments)
    assert ended.code == 2
    assert ended.err == f"error: {key} is missing: give {key}=...\n"
