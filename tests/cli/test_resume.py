import json
import shutil

import pytest

import mlmd.cli.simulate as simulate_module
import mlmd.cli.train as train_module
from cli.running import FAST, SHORT, TO_LEARN, assert_same_weights, judged, simulate, train
from mlmd.propagation import Propagator
from mlmd.training import PredictorModule


@pytest.fixture
def finished(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    return run


def test_resuming_a_finished_run_trains_no_more_and_judges_again(finished, trained, cli):
    (finished / "metrics.json").unlink()
    (finished / ".last.ckpt.1.0123abcd.tmp").touch()  # what a killed process leaves
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


def test_training_prints_how_to_resume_after_ctrl_c(trained, cli, tmp_path, interrupted_after, no_figures):
    interrupted_after(PredictorModule, "training_step", 30)  # in the second epoch
    ended = cli("train", *FAST, *TO_LEARN, "hydra.run.dir=run")
    assert ended.code == 130
    assert ended.out.splitlines()[-1] == f"interrupted; resume with: python train.py resume={tmp_path / 'run'}"
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert cli("train", f"resume={tmp_path / 'run'}").code == 0
    assert judged(tmp_path / "run") == judged(trained)
    assert_same_weights(tmp_path / "run" / "last.ckpt", trained / "last.ckpt")


def test_a_training_with_soap_goes_on_as_if_nothing_had_happened(cli, tmp_path, interrupted_after, no_figures):
    soap = ("optimizer=soap", *TO_LEARN)
    train(tmp_path / "whole", *soap)
    interrupted_after(PredictorModule, "training_step", 30)  # in the second epoch
    assert cli("train", *FAST, *soap, "hydra.run.dir=run").code != 0
    assert cli("train", f"resume={tmp_path / 'run'}").code == 0
    assert judged(tmp_path / "run") == judged(tmp_path / "whole")
    assert_same_weights(tmp_path / "run" / "last.ckpt", tmp_path / "whole" / "last.ckpt")


def test_a_simulation_prints_how_to_resume_after_ctrl_c(trained, cli, tmp_path, interrupted_after, no_figures):
    simulate(tmp_path / "whole", trained, *SHORT)
    interrupted_after(Propagator, "advance", 2)
    ended = cli("simulate", f"checkpoint={trained}", *SHORT, "injection=every_100", "hydra.run.dir=run")
    assert ended.code == 130
    assert ended.out.splitlines()[-1] == f"interrupted; resume with: python simulate.py resume={tmp_path / 'run'}"
    assert not (tmp_path / "run" / "trajectory.h5").exists()
    ended = cli("simulate", f"resume={tmp_path / 'run'}")
    assert (ended.code, "resuming every_100 at step 50 of 132" in ended.out) == (0, True)
    assert judged(tmp_path / "run") == judged(tmp_path / "whole")


def test_a_simulation_interrupted_in_its_reference_goes_on_there(
    trained, cli, tmp_path, interrupted_after, monkeypatch
):
    simulate(tmp_path / "whole", trained, *SHORT)
    interrupted_after(Propagator, "advance", 5)  # three pieces are the simulation
    ended = cli("simulate", f"checkpoint={trained}", *SHORT, "injection=every_100", "hydra.run.dir=run")
    assert (ended.code, ended.out.splitlines()[-1].startswith("interrupted; resume with")) == (130, True)
    run = tmp_path / "run"
    simulated = (run / "trajectory.h5").read_bytes()
    advanced = count_calls(monkeypatch, Propagator, "advance")
    ended = cli("simulate", f"resume={run}")
    assert (ended.code, "resuming reference at step 50 of 132" in ended.out) == (0, True)
    assert advanced == [2]
    assert (run / "trajectory.h5").read_bytes() == simulated
    assert judged(run) == judged(tmp_path / "whole")


@pytest.mark.parametrize("stage", ["evaluate_system", "draw_rollouts", "write_extended_xyz", "peak_memory_MB"])
def test_a_simulation_interrupted_after_its_propagation_is_only_judged(
    stage, trained, cli, tmp_path, monkeypatch, no_figures
):
    simulate(tmp_path / "whole", trained, *SHORT, "xyz=true")
    with monkeypatch.context() as patch:
        calls = iter([None, KeyboardInterrupt]) if stage == "write_extended_xyz" else iter([KeyboardInterrupt])
        patch.setattr(f"mlmd.cli.simulate.{stage}", failing(stage, calls))
        arguments = (f"checkpoint={trained}", *SHORT, "injection=every_100", "xyz=true", "hydra.run.dir=run")
        assert cli("simulate", *arguments).code == 130
    run = tmp_path / "run"
    kept = {path: path.stat().st_mtime_ns for pattern in ("*.h5", "*.xyz") for path in run.glob(pattern)}
    assert len(kept) == {"write_extended_xyz": 3, "peak_memory_MB": 5}.get(stage, 2)
    advanced = count_calls(monkeypatch, Propagator, "advance")
    assert cli("simulate", f"resume={run}").code == 0
    assert advanced == [0]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert judged(run) == judged(tmp_path / "whole")
    names = [sorted(path.name for path in folder.rglob("*")) for folder in (run, tmp_path / "whole")]
    assert names[0] == names[1]


def failing(stage, outcomes):
    """A function of the command that raises at the call that the outcomes say."""
    original = getattr(simulate_module, stage)

    def call(*arguments, **keywords):
        if next(outcomes, None) is KeyboardInterrupt:
            raise KeyboardInterrupt
        return original(*arguments, **keywords)

    return call


def count_calls(monkeypatch, owner, name):
    counted, method = [0], getattr(owner, name)

    def call(*arguments, **keywords):
        counted[0] += 1
        return method(*arguments, **keywords)

    monkeypatch.setattr(owner, name, call)
    return counted


def test_a_folder_used_again_holds_nothing_of_its_first_run(trained, cli, tmp_path, interrupted_after):
    simulate(tmp_path / "run", trained, *SHORT, "xyz=true")
    interrupted_after(Propagator, "advance", 2)
    again = (f"checkpoint={trained}", *SHORT, "injection=every_100", "xyz=true", "seed=5", "hydra.run.dir=run")
    assert cli("simulate", *again).code == 130
    assert cli("simulate", f"resume={tmp_path / 'run'}").code == 0
    simulate(tmp_path / "alone", trained, *SHORT, "xyz=true", "seed=5")
    assert judged(tmp_path / "run") == judged(tmp_path / "alone")
    for replica in range(3):
        name = f"trajectory_{replica:04d}.xyz"
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "words"), [("frames.h5", "it has been altered or is damaged"), ("restart.pt", "it is truncated")]
)
def test_a_simulation_is_not_resumed_from_a_damaged_file(name, words, trained, cli, tmp_path, interrupted_after):
    interrupted_after(Propagator, "advance", 2)
    cli("simulate", f"checkpoint={trained}", *SHORT, "hydra.run.dir=run")
    part = tmp_path / "run" / "trajectory.h5.unfinished" / name
    part.write_bytes(part.read_bytes()[:1000])
    ended = cli("simulate", f"resume={tmp_path / 'run'}")
    assert ended.code == 2
    assert ended.err.startswith(f"error: cannot read {part}: {words}")
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "run" / "trajectory.h5").exists()


@pytest.mark.parametrize("script", ["train", "simulate"])
def test_an_edited_configuration_is_not_resumed(script, finished, cli):
    config = finished / "config.yaml"
    config.write_text(config.read_text().replace("seed: 1", "seed: 99"))
    ended = cli(script, f"resume={finished}")
    assert ended.code == 2
    assert ended.err.startswith(f"error: {config} was edited after the run had begun; restore it, or begin a new run")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("stage", ["test_step", "draw_training", "write_run_page"])
def test_a_training_interrupted_after_its_last_epoch_says_how_to_go_on(
    stage, trained, cli, tmp_path, interrupted_after, no_figures
):
    interrupted_after(PredictorModule if stage == "test_step" else train_module, stage, 1)
    ended = cli("train", *FAST, *TO_LEARN, "hydra.run.dir=run")
    assert ended.code == 130
    assert ended.out.splitlines()[-1] == f"interrupted; resume with: python train.py resume={tmp_path / 'run'}"
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert cli("train", f"resume={tmp_path / 'run'}").code == 0
    assert judged(tmp_path / "run") == judged(trained)
