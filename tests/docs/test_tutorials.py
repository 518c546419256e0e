"""The commands and the Python code of the tutorials run, in a fast form."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAST = {"train.py": ("experiment=fast",), "simulate.py": ("n_steps=400", "n_replicas=2", "engine=eager")}


def commands(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line, posix=True)[1:] for line in "".join(blocks).splitlines() if line.startswith("python ")]


def run(script, *arguments, folder):
    command = [sys.executable, script, *arguments, *FAST[script], "logger=csv", f"hydra.run.dir={folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_first_run(tmp_path):
    train, simulate, resume, _ = commands("tutorials/first_run.md")
    assert resume == ["simulate.py", "resume=outputs/simulate/HCl/3vR0/<time>"]
    run(*train, folder=tmp_path / "train")
    placed = [re.sub(r"^checkpoint=.*", f"checkpoint={tmp_path / 'train'}", argument) for argument in simulate]
    assert placed != simulate
    run(*placed, folder=tmp_path / "simulate")
    for name in ("report.html", "metrics.json", "curves.json", "replicas.csv"):
        assert (tmp_path / "train" / name).is_file(), name
    for name in ("trajectory.h5", "reference.h5", "metrics.json"):
        assert (tmp_path / "simulate" / name).is_file(), name


TINY = (
    "data.trajectories.n_train=16",
    "data.trajectories.n_val=4",
    "data.trajectories.n_test=4",
    "data.trajectories.n_steps=80",
    "data.batches.batches_per_epoch=40",
    "trainer.max_epochs=1",
    "rollout.n_steps=300",
    "rollout.val_n_steps=60",
    "rollout.n_replicas=2",
    "engine=eager",
    "logger=csv",
    "figures=false",
)
"""Settings with which a training takes seconds."""


def script(page, *arguments, cwd=ROOT):
    """Run a command of a page, given as a list of words, with settings that take the place of its own."""
    given = {argument.split("=")[0] for argument in arguments}
    words = [word for word in page if word.split("=")[0] not in given]
    command = [sys.executable, str(ROOT / words[0]), *words[1:], *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_your_own_molecule(tmp_path):
    water, tritium = commands("tutorials/molecule.md")
    pytest.importorskip("tblite", reason="pip install -e '.[qm]'")
    settings = ("experiment=[molecule,fast]", *TINY, f"data.cache={tmp_path}")
    assert "experiment=molecule" in water
    script(water, *settings, f"hydra.run.dir={tmp_path / 'water'}")
    assert metrics(tmp_path / "water")["test/velocity_accuracy_percent"] > 50
    assert "system.name=TH" in tritium
    script(tritium, "experiment=fast", *TINY, f"hydra.run.dir={tmp_path / 'tritium'}")
    # A harmonic bond is linear, so the shortcut alone is right.
    assert metrics(tmp_path / "tritium")["test/velocity_accuracy_percent"] > 99.99


def test_inside_ase(tmp_path, monkeypatch, capsys):
    (train,) = commands("tutorials/ase.md")
    script(train, "experiment=fast", "logger=csv", "data.batches.batches_per_epoch=100", cwd=tmp_path)
    text = (ROOT / "docs/tutorials/ase.md").read_text(encoding="utf-8")
    run_block, restart_block = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    n_steps, start_step = 20_000, 100
    assert f"run({n_steps:_})" in run_block
    assert f"start_step={start_step}" in run_block
    assert run_block.strip().endswith(f"# {start_step} {(n_steps - start_step) // 100}")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(run_block.replace(f"run({n_steps:_})", "run(1_000)"), "ase.md", "exec"), names)
    assert capsys.readouterr().out.splitlines()[-1] == f"{start_step} {(1_000 - start_step) // 100}"
    exec(compile(restart_block, "ase.md", "exec"), names)
    assert names["continued"].nsteps == 2_000


def test_a_sweep(tmp_path):
    grid, slurm, search = commands("tutorials/sweep.md")
    few = ("model=3vR0,DuR0", "system=H2", "experiment=fast", *TINY, f"hydra.sweep.dir={tmp_path / 'grid'}")
    table = script(grid, *few)
    assert table.count("] done ") == 2
    assert len(list((tmp_path / "grid/H2").glob("*/*/metrics.json"))) == 2
    # Given again, the command skips what is finished.
    assert script(grid, *few).count("] skipped ") == 2
    pytest.importorskip("optuna", reason="pip install -e '.[sweep]'")
    trials = ("hydra.sweeper.n_trials=2", "experiment=fast", *TINY, f"hydra.sweep.dir={tmp_path / 'search'}")
    script(search, *trials)
    assert len(list((tmp_path / "search").glob("*/*/*/metrics.json"))) == 2
    assert "hydra.launcher.partition=<name>" in slurm


def test_on_the_fly(tmp_path):
    (learning,) = commands("tutorials/on_the_fly.md")
    assert "hamiltonian=b3lyp" in learning
    small = ("n_steps=700", "n_replicas=2", "trainer.max_epochs=1", "engine=eager", "figures=false")
    script(learning, "hamiltonian=morse", *small, f"hydra.run.dir={tmp_path / 'run'}")
    for name in ("ledger.csv", "signals.csv", "report.html"):
        assert (tmp_path / "run" / name).is_file(), name
    assert metrics(tmp_path / "run")["learning/trainings"] >= 1
