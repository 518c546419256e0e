"""Signals that end a command: the exit code names the signal, one line tells how to resume, and resuming works."""

import signal
import time
from functools import partial
from pathlib import Path

import pytest
from cli.running import FAST, TO_LEARN, judged, process

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
LONG = (*TO_LEARN, "trainer.max_epochs=200", "figures=false")
"""A training of a minute, whose first checkpoint comes within a second of it."""


def ended_by(number: int, script: str, *arguments: str, cwd: Path, once: Path, wait_s: float = 0.0):
    """The exit code and the output of a command that gets a signal once a file is there."""
    # Where the tests run in the background of a shell, they and all they start ignore SIGINT.
    heeds = partial(signal.signal, number, signal.SIG_DFL)
    running = process(script, *arguments, cwd=cwd, preexec_fn=heeds)
    deadline = time.monotonic() + 120
    while not once.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(wait_s)
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


def to_its_end(*command: str, cwd: Path) -> None:
    running = process(*command, cwd=cwd)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 0, err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_training_ends_with_the_code_of_the_signal_and_is_resumed(number, tmp_path):
    arguments = (*FAST, *LONG, "hydra.run.dir=run")
    code, out, err = ended_by(
        number, "train", *arguments, cwd=tmp_path, once=tmp_path / "run" / "last.ckpt", wait_s=0.5
    )
    assert (code, err) == (128 + number, "")
    assert out.splitlines()[-1] == f"interrupted; resume with: python train.py resume={tmp_path / 'run'}"
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_simulation_ends_with_the_code_of_the_signal_and_is_resumed(number, tmp_path, trained_folder):
    arguments = (f"checkpoint={trained_folder}", "n_steps=2000000", "n_replicas=4", "every=100", "judge=false")
    restart = tmp_path / "run" / "trajectory.h5.unfinished" / "restart.pt"
    code, out, err = ended_by(
        number, "simulate", *arguments, "hydra.run.dir=run", cwd=tmp_path, once=restart, wait_s=1.0
    )
    assert (code, err) == (128 + number, "")
    assert out.splitlines()[-1].startswith("interrupted; resume with: python simulate.py resume=")


def test_an_on_the_fly_run_ends_with_the_code_of_the_signal(tmp_path):
    arguments = ("mode=on_the_fly", "n_steps=5000000", "every=1000", "figures=false", "judge=false")
    restart = tmp_path / "run" / "round_1" / "last.ckpt"
    code, out, err = ended_by(
        signal.SIGTERM, "simulate", *arguments, "hydra.run.dir=run", cwd=tmp_path, once=restart, wait_s=0.2
    )
    assert (code, err) == (143, "")
    assert out.splitlines()[-1].startswith("interrupted; resume with: python simulate.py resume=")


def test_an_interruption_before_anything_is_saved_is_one_line(tmp_path):
    arguments = (*FAST, *LONG, "hydra.run.dir=run")
    code, _, err = ended_by(signal.SIGTERM, "train", *arguments, cwd=tmp_path, once=tmp_path / "run")
    assert code == 143
    assert err in ("interrupted\n", ""), err


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory) -> Path:
    from cli.running import trained_run

    return trained_run(tmp_path_factory.getbasetemp())


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    arguments = (*FAST, *TO_LEARN, "figures=false")
    to_its_end("train", *arguments, "hydra.run.dir=whole", cwd=tmp_path)
    once = tmp_path / "run" / "last.ckpt"
    code, _, _ = ended_by(signal.SIGTERM, "train", *arguments, "hydra.run.dir=run", cwd=tmp_path, once=once)
    assert code == 143
    to_its_end("train", "resume=run", cwd=tmp_path)
    assert judged(tmp_path / "run") == judged(tmp_path / "whole")
