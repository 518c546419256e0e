"""Writes the files of one version of mlmd that later versions must read: python write.py CHECKOUT FOLDER.

CHECKOUT is the code that writes, FOLDER a new folder. An interrupted run is stored as it was left; what the same code
makes of it when it resumes is stored beside it, in ``expected``.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

TINY_TRAINING = (
    "seed=1",
    "logger=csv",
    "figures=false",
    "engine=eager",
    "data.cache=null",
    "data.trajectories.n_train=16",
    "data.trajectories.n_val=4",
    "data.trajectories.n_test=4",
    "data.trajectories.n_steps=80",
    "data.batches.sequence_length=24",
    "data.batches.batch_size=16",
    "data.batches.batches_per_epoch=20",
    "model.hidden_size=4",
    "rollout.n_steps=100",
    "rollout.n_replicas=2",
    "rollout.val_n_steps=50",
    "rollout.val_n_replicas=2",
)
TINY_SIMULATION = ("logger=none", "figures=false", "engine=eager", "n_replicas=2")
TRAININGS = {
    "3vR0": ("model=3vR0", "system=HCl", "model.shortcut=false", "trainer.max_epochs=2"),
    "DuR0": ("model=DuR0", "system=HCl", "hamiltonian=morse", "regime=thermal", "trainer.max_epochs=2"),
    "H2O": ("experiment=molecule", "system=H2O", "trainer.max_epochs=2"),
}
INTERRUPTED = {
    "training": ("train", *TRAININGS["DuR0"][:-1], *TINY_TRAINING, "trainer.max_epochs=8"),
    "simulation": ("simulate", "checkpoint=DuR0", *TINY_SIMULATION, "n_steps=300", "chunk_steps=50"),
    "on_the_fly": (
        "simulate",
        "mode=on_the_fly",
        "hamiltonian=morse",
        *TINY_SIMULATION[:-1],
        "n_steps=700",
        "model.hidden_size=4",
        "trainer.max_epochs=2",
        "data.batches.batches_per_epoch=40",
        "data.batches.batch_size=32",
        "on_the_fly.first_steps=300",
        "on_the_fly.held_out_steps=60",
        "on_the_fly.validation_steps=40",
        "on_the_fly.fallback_steps=100",
        "on_the_fly.disagreement=0.3",
        "on_the_fly.energy_band=0.2",
        "on_the_fly.validation_error=0.5",
        "optimizer.learning_rate=0.05",
    ),
}
INSIDE_ASE = """
import sys, torch
from ase import Atoms, units
from ase.calculators.morse import MorsePotential
from mlmd.ase import MLMD
from mlmd.propagation import EagerEngine

atoms = Atoms("HCl", [[0, 0, 0], [0, 0, 1.31]], masses=[1.0078250322, 34.968852694])
atoms.calc = MorsePotential(epsilon=4.6174, r0=1.27455, rho0=2.3809)
dynamics = MLMD(atoms, 0.5 * units.fs, "DuR0", injection=0.1, start_step=20, engine=EagerEngine())
dynamics.run(45)
torch.save(dynamics.state_dict(), f"{sys.argv[1]}/restart.pt")
dynamics.run(55)
expected = {"positions": torch.from_numpy(atoms.get_positions()), "momenta": torch.from_numpy(atoms.get_momenta())}
torch.save(expected, f"{sys.argv[1]}/expected.pt")
"""


def main(checkout: Path, folder: Path) -> None:
    """Write all files below a new folder."""
    folder.mkdir(parents=True)
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        words = [sys.executable, str(checkout / f"{script}.py"), *arguments]
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)

    def finish(script: str, *arguments: str) -> None:
        process = start(script, *arguments)
        out, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{script} {' '.join(arguments)} failed:\n{out}")

    for name, choices in TRAININGS.items():
        finish("train", *choices, *TINY_TRAINING, f"hydra.run.dir={name}")
        keep(folder / name, "best.ckpt", "config.yaml", "provenance.json", "metrics.json")
        run = f"{name}_simulation"
        finish("simulate", f"checkpoint={name}", *TINY_SIMULATION, "n_steps=100", "judge=false", f"hydra.run.dir={run}")
        keep(folder / run, "config.yaml", "trajectory.h5", "metrics.json")
    for name, (script, *arguments) in INTERRUPTED.items():
        process = start(script, *arguments, f"hydra.run.dir={name}")
        while not is_saved(folder / name) and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.communicate()
        if (folder / name / "metrics.json").exists() or process.returncode != -9:
            raise SystemExit(f"{name} ended before it was interrupted")
        shutil.copytree(folder / name, folder / "left")
        finish(script, f"resume={name}")
        shutil.move(folder / name, folder / "expected" / name)
        keep(folder / "expected" / name, "metrics.json", "last.ckpt", *["trajectory.h5"] * (name == "simulation"))
        shutil.move(folder / "left", folder / name)
    shutil.rmtree(folder / "outputs", ignore_errors=True)
    (folder / "ase").mkdir()
    subprocess.run([sys.executable, "-c", INSIDE_ASE, "ase"], cwd=folder, env=environment, check=True)


def is_saved(run: Path) -> bool:
    """Whether a training has ended an epoch, a simulation has saved frames, or a run on the fly uses its predictor."""
    if run.name == "training":
        return (run / "last.ckpt").is_file()
    restart, predictors = run / "trajectory.h5.unfinished" / "restart.pt", list(run.rglob("best.ckpt"))
    if not restart.is_file() or not (predictors or run.name == "simulation"):
        return False
    newest = max((path.stat().st_mtime_ns for path in predictors), default=0)
    return restart.stat().st_mtime_ns > newest and torch.load(restart, weights_only=True)["n_frames"] > 0


def keep(folder: Path, *names: str) -> None:
    """Remove everything else from a folder."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in names:
            path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
