"""Sweeps with real trainings, in processes that are killed, interrupted, or two at once."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from cli.running import FAST, SHORT, TO_LEARN, process

TINY = (
    *FAST,
    *TO_LEARN,
    "logger=none",
    "trainer.max_epochs=1",
    "data.batches.batches_per_epoch=2",
    "rollout.n_steps=60",
    "rollout.every_n_epochs=0",
    "~rollout.injections.every_1000",
    "~rollout.injections.every_100",
    "~rollout.injections.every_100_anchored",
)


def wait_until(there: Callable[[], bool], sweep: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120.0
    while not there():
        assert sweep.poll() is None, sweep.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_gone(group: int) -> None:
    """A process that its parent no longer waits for is there for a moment after its end."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("a job runs on")


def rows(log: Path) -> list[dict[str, str]]:
    with log.open() as file:
        return list(csv.DictReader(file))


def runs(tmp_path: Path) -> list[Path]:
    """Folders of runs, in the order of their jobs."""
    return sorted((tmp_path / "outputs" / "train" / "HCl" / "DuR0").iterdir(), key=lambda path: path.name[-1])


def test_a_killed_sweep_goes_on_where_it_was(cli, tmp_path):
    sweep_of_two = ("--multirun", *TINY, "seed=1,2", "trainer.max_epochs=40")
    folder = tmp_path / "outputs" / "train" / "HCl" / "DuR0"
    sweep = process("train", *sweep_of_two, cwd=tmp_path, start_new_session=True)
    wait_until(lambda: any(folder.glob("*_1/last.ckpt")), sweep)
    os.killpg(sweep.pid, signal.SIGKILL)
    _, spoken = sweep.communicate()
    assert sweep.returncode == -signal.SIGKILL
    assert "Traceback" not in spoken
    first, second = runs(tmp_path)
    metrics = (first / "metrics.json").read_text()
    assert not (second / "metrics.json").exists(), "it was through before it was killed"

    ended = cli("train", *sweep_of_two)
    assert (ended.code, ended.err) == (0, "")
    assert f"[0] skipped  seed=1  {first.relative_to(tmp_path)}" in ended.out
    assert f"[1] resumed  seed=2  {second.relative_to(tmp_path)}" in ended.out
    assert (first / "metrics.json").read_text() == metrics
    assert json.loads((second / "metrics.json").read_text()).keys() == json.loads(metrics).keys()
    assert (second / "csv" / "version_1").is_dir(), "it went on, it did not begin anew"
    for run in (first, second):
        losses = [
            float(row["val/loss"]) for log in run.glob("csv/*/metrics.csv") for row in rows(log) if row["val/loss"]
        ]
        assert len(losses) >= 40
        assert json.loads((run / "metrics.json").read_text())["val/best"] == pytest.approx(min(losses), rel=1e-5)

    again = cli("train", *sweep_of_two)
    assert (again.code, again.err) == (0, "")
    assert again.out.count("skipped") == 4  # two lines, two rows
    assert runs(tmp_path) == [first, second]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_prints_how_to_resume_and_leaves_nothing_running(number, tmp_path):
    # Where the tests themselves run in the background of a shell, they and all they start ignore SIGINT.
    hearing = {"preexec_fn": partial(signal.signal, signal.SIGINT, signal.SIG_DFL)} if number == signal.SIGINT else {}
    sweep = process("train", "--multirun", *TINY, "seed=1,2", cwd=tmp_path, start_new_session=True, **hearing)
    wait_until(lambda: any(tmp_path.glob("outputs/train/HCl/DuR0/*_0/console.log")), sweep)
    if number == signal.SIGINT:
        os.killpg(sweep.pid, number)  # as a terminal does
    else:
        sweep.send_signal(number)
    out, err = sweep.communicate(timeout=60)
    assert (sweep.returncode, err) == (128 + number, "")
    assert out.splitlines()[-1] == "sweep interrupted, 0 jobs are finished; the same command goes on from there"
    wait_until_gone(sweep.pid)
    assert not any(tmp_path.glob("outputs/train/HCl/DuR0/*/metrics.json"))


def test_two_jobs_at_once_one_of_which_fails(cli, tmp_path):
    ended = cli("train", "--multirun", *TINY, "seed=1,-5", "sweep=two_jobs")
    assert ended.code == 1
    assert ended.err == "error: 1 failed of 2 jobs; the same command takes up what is not finished\n"
    lines = ended.out.splitlines()
    assert lines[0] == "sweep: 2 jobs, 2 at a time"
    assert all(" started  " in line for line in lines[1:3])
    good, bad = runs(tmp_path)
    words = "seed = -5 must be a whole number from 0 to 4294967295"
    assert lines[-1] == f"failed: seed=-5: {words} ({bad.relative_to(tmp_path)})"
    assert (good / "metrics.json").is_file()
    assert "seed 1, " in (good / "console.log").read_text()
    assert "1 thread(s)" in (good / "console.log").read_text()
    assert (bad / "console.log").read_text() == f"error: {words}\n"


def test_jobs_that_submitit_runs(cli, tmp_path):
    """As with Slurm, but for who gives out the processors."""
    ended = cli("train", "--multirun", *TINY, "seed=1,-5", "sweep=slurm", "hydra/launcher=submitit_local")
    assert ended.code == 1
    assert ended.err == "error: 1 failed of 2 jobs; the same command takes up what is not finished\n"
    good, bad = runs(tmp_path)
    assert (good / "metrics.json").is_file()
    assert ended.out.splitlines()[-1].startswith("failed: seed=-5: seed = -5 must be a whole number from 0 to ")
    assert str(bad.relative_to(tmp_path)) in ended.out
    again = cli("train", "--multirun", *TINY, "seed=1", "sweep=slurm", "hydra/launcher=submitit_local")
    assert (again.code, again.out.count("skipped")) == (0, 2)


def test_optuna_searches_with_real_trainings(cli, tmp_path, no_figures):
    ended = cli(
        "train",
        "--multirun",
        *TINY,
        "hydra/launcher=basic",
        "sweep=optuna",
        "model.hidden_size=range(3,9)",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.objective=rollout/never/energy_error_median",
    )
    assert (ended.code, ended.err) == (0, "")
    errors = [json.loads((run / "metrics.json").read_text()) for run in runs(tmp_path)]
    least = min(metrics["rollout/never/energy_error_median"] for metrics in errors)
    best = ended.out.splitlines()[-1]
    assert best.startswith("best: model.hidden_size=")
    assert f"rollout/never/energy_error_median = {least:.6g} (" in best


def test_a_simulation_runs_once_unless_its_checkpoint_became_another_one(cli, tmp_path, trained, no_figures):
    shutil.copy(trained / "best.ckpt", tmp_path / "mine.ckpt")
    arguments = ("--multirun", "hydra/launcher=basic", "checkpoint=mine.ckpt", *SHORT, "injection=never,every_100")
    for n_skipped in (0, 4):  # a line and a row each
        ended = cli("simulate", *arguments)
        assert (ended.code, ended.out.count("skipped")) == (0, n_skipped)
    stored = torch.load(trained / "best.ckpt", weights_only=True)
    stored["state_dict"]["predictor.network.head.weight"][0, 0] += 1.0
    torch.save(stored, tmp_path / "mine.ckpt")
    assert cli("simulate", *arguments).out.count("skipped") == 0
    assert len(list(tmp_path.glob("outputs/simulate/mine/*/metrics.json"))) == 4
