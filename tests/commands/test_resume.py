import json
import shutil
import signal

import pytest

from commands.running import FAST, SHORT, TO_LEARN, assert_same_weights, judged, simulate
from mlmd.propagation import Propagator
from mlmd.training import PredictorModule


@pytest.fixture
def finished(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    return run


def test_resuming_a_finished_run_trains_no_more_and_judges_again(finished, trained, cli):
    (finished / "metrics.json").unlink()
    (finished / ".last.ckpt.1.abcd.tmp").touch()  # what a killed process leaves
    ended = cli("train", f"resume={finished}")
    assert (ended.code, ended.err) == (0, "")
    assert judged(finished) == judged(trained)
    for name in ("best.ckpt", "last.ckpt"):
        assert_same_weights(finished / name, trained / name)
    assert not list(finished.glob(".*.tmp"))


def test_a_resumed_run_keeps_its_first_configuration_and_provenance(finished, cli):
    kept = {name: (finished / name).read_bytes() for name in ("config.yaml", "provenance.json")}
    assert cli("train", f"resume={finished}").code == 0
    assert {name: (finished / name).read_bytes() for name in kept} == kept
    assert json.loads(kept["provenance.json"])["seed"] == 1


@pytest.mark.parametrize("script", ["train", "simulate"])
def test_a_resumed_run_takes_no_other_values(script, finished, cli):
    ended = cli(script, f"resume={finished}", "seed=3", "threads=2")
    words = f"error: resume= takes its configuration from {finished}; remove seed=3 threads=2\n"
    assert (ended.code, ended.err) == (2, words)


def test_a_training_run_is_not_resumed_as_a_simulation(finished, cli):
    ended = cli("simulate", f"resume={finished}")
    words = f"error: {finished} is not the folder of a simulation; train.py resumes a training run\n"
    assert (ended.code, ended.err) == (2, words)


@pytest.fixture
def interrupted_after(monkeypatch):
    """Ctrl-C at a later call of a method, once."""

    def arm(owner: type, name: str, n_calls: int) -> None:
        method, left = getattr(owner, name), [n_calls]

        def call(*arguments, **keywords):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return method(*arguments, **keywords)

        monkeypatch.setattr(owner, name, call)

    handler = signal.getsignal(signal.SIGINT)
    yield arm
    signal.signal(signal.SIGINT, handler)  # Lightning ignores it from the first on


def test_training_says_how_to_go_on_after_ctrl_c(trained, cli, tmp_path, interrupted_after, no_figures):
    interrupted_after(PredictorModule, "training_step", 30)  # in the second epoch
    ended = cli("train", *FAST, *TO_LEARN, "hydra.run.dir=run")
    assert ended.code != 0
    assert ended.out.splitlines()[-1] == f"interrupted; go on with: python train.py resume={tmp_path / 'run'}"
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert cli("train", f"resume={tmp_path / 'run'}").code == 0
    assert judged(tmp_path / "run") == judged(trained)
    assert_same_weights(tmp_path / "run" / "last.ckpt", trained / "last.ckpt")


def test_a_simulation_says_how_to_go_on_after_ctrl_c(trained, cli, tmp_path, interrupted_after, no_figures):
    simulate(tmp_path / "whole", trained, *SHORT)
    interrupted_after(Propagator, "advance", 2)
    ended = cli("simulate", f"checkpoint={trained}", *SHORT, "injection=every_100", "hydra.run.dir=run")
    assert ended.code == 130
    assert ended.out.splitlines()[-1] == f"interrupted; go on with: python simulate.py resume={tmp_path / 'run'}"
    assert not (tmp_path / "run" / "trajectory.h5").exists()
    ended = cli("simulate", f"resume={tmp_path / 'run'}")
    assert (ended.code, "resuming at step 50 of 132" in ended.out) == (0, True)
    assert judged(tmp_path / "run") == judged(tmp_path / "whole")


@pytest.mark.parametrize("name", ["000000000000-000000000050.h5", "restart.pt"])
def test_a_simulation_is_not_resumed_from_a_damaged_part(name, trained, cli, tmp_path, interrupted_after):
    interrupted_after(Propagator, "advance", 2)
    cli("simulate", f"checkpoint={trained}", *SHORT, "hydra.run.dir=run")
    part = tmp_path / "run" / "trajectory.h5.parts" / name
    part.write_bytes(part.read_bytes()[:-1000])
    ended = cli("simulate", f"resume={tmp_path / 'run'}")
    assert ended.code == 2
    assert ended.err.startswith(f"error: cannot read {part}: it is truncated")
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "run" / "trajectory.h5").exists()
