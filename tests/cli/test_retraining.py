import json
import shutil

import pytest
import yaml

from cli.running import FAST, SHORT, TO_LEARN, assert_same_weights, judged, simulate, train, weights
from mlmd.reporting.run_report import read_history
from mlmd.training import PredictorModule
from mlmd.training.retrain import Retraining

ROUNDS = (
    *TO_LEARN,
    "retraining.rounds=2",
    "retraining.n_replicas=8",
    "retraining.n_steps=70",
    "retraining.max_epochs=2",
)


@pytest.fixture(scope="module")
def retrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlmd.cli.train.draw_training", lambda *_, **__: None)
        train(folder, *ROUNDS)
    return folder


def test_the_first_stage_is_the_training_without_rounds(retrained, trained):
    assert_same_weights(retrained / "retraining_0" / "best.ckpt", trained / "best.ckpt")
    assert_same_weights(retrained / "last.ckpt", trained / "last.ckpt")
    assert not any(name.startswith("retraining") for name in judged(trained))
    assert not list(trained.glob("retraining*"))


def test_the_run_ends_with_the_checkpoint_of_its_last_stage(retrained):
    assert_same_weights(retrained / "best.ckpt", retrained / "retraining_2" / "best.ckpt")
    first, second, last = (weights(retrained / f"retraining_{stage}" / "best.ckpt") for stage in (0, 1, 2))
    network = [name for name in first if ".network." in name]
    for earlier, later in ((first, second), (second, last)):
        assert not any(earlier[name].equal(later[name]) for name in network), "every round has learned"
        assert all(earlier[name].equal(later[name]) for name in first if ".scaling." in name), "scales stay"


def test_its_metrics_cover_every_stage(retrained):
    metrics = json.loads((retrained / "metrics.json").read_text())
    assert metrics["retraining/rounds"] == 2
    # A round: 8 rollouts of 70 steps and 2 that validate, after 32 steps that fill the memory; 2 injections in each.
    assert metrics["cost/retraining_force_calls"] == 2 * 10 * (32 + 70 + 2)
    assert metrics["retraining/1/kept_share"] == 66 / 70, "two stretches of 32 inputs and the frame before them"
    assert 0.0 < metrics["cost/retraining_s"] < metrics["cost/total_s"]
    for stage in range(3):
        assert 99.0 < metrics[f"retraining/{stage}/velocity_accuracy_percent"] < 100.0
        assert metrics[f"retraining/{stage}/never/energy_error_median"] > 0.0
        assert metrics[f"retraining/{stage}/every_100/diverged_replicas"] == 0.0
    assert metrics["retraining/2/velocity_accuracy_percent"] != metrics["retraining/1/velocity_accuracy_percent"]


def test_epochs_are_counted_on(retrained):
    history = read_history(retrained / "csv")
    assert [row["epoch"] for row in history] == [0, 1, 2, 3, 4, 5]
    assert all(row["train/loss"] > 0 and row["val/loss"] > 0 for row in history)


def test_a_simulation_uses_the_retrained_checkpoint(retrained, tmp_path, no_figures):
    def rollout(name, checkpoint):
        simulate(tmp_path / name, checkpoint, *SHORT)
        return judged(tmp_path / name)

    by_folder = rollout("folder", retrained)
    assert by_folder == rollout("last", retrained / "retraining_2" / "best.ckpt")
    assert by_folder != rollout("first", retrained / "retraining_0" / "best.ckpt")


@pytest.mark.parametrize(
    ("owner", "name", "n_calls"),
    [
        pytest.param(PredictorModule, "training_step", 40 + 30, id="in the second epoch of a round"),
        pytest.param(Retraining, "_visit", 3, id="between two rounds"),
        pytest.param(Retraining, "_copy", 2, id="at the very end"),
    ],
)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    owner,
    name,
    n_calls,
    retrained,
    cli,
    tmp_path,
    interrupted_after,
    no_figures,
):
    interrupted_after(owner, name, n_calls)
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        train(tmp_path / "run", *ROUNDS)
    assert not (tmp_path / "run" / "metrics.json").exists()
    ended = cli("train", f"resume={tmp_path / 'run'}")
    assert (ended.code, ended.err) == (0, "")
    assert judged(tmp_path / "run") == judged(retrained)
    for checkpoint in ("best.ckpt", "last.ckpt", *(f"retraining_{stage}/best.ckpt" for stage in range(3))):
        assert_same_weights(tmp_path / "run" / checkpoint, retrained / checkpoint)
    assert [row["epoch"] for row in read_history(tmp_path / "run" / "csv")] == [0, 1, 2, 3, 4, 5]
    assert not list((tmp_path / "run").rglob("*.tmp"))


def test_resuming_a_finished_run_trains_no_more(retrained, cli, tmp_path, no_figures):
    run = tmp_path / "run"
    shutil.copytree(retrained, run)
    (run / "metrics.json").unlink()
    assert cli("train", f"resume={run}").code == 0
    assert judged(run) == judged(retrained)
    for checkpoint in ("best.ckpt", "last.ckpt", "retraining_0/best.ckpt", "retraining_2/last.ckpt"):
        assert_same_weights(run / checkpoint, retrained / checkpoint)


def test_a_run_of_an_older_version_is_resumed_without_rounds(trained, cli, tmp_path, no_figures):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["retraining"], config["checksum"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert cli("train", f"resume={run}").code == 0
    assert judged(run) == judged(trained)


def test_a_round_without_usable_states_ends_it(trained, tmp_path, monkeypatch, capsys, no_figures):
    monkeypatch.setattr("mlmd.data.visited_states.ENERGY_GROWTH", 0.0)
    metrics = train(tmp_path / "run", *ROUNDS)
    output = capsys.readouterr().out
    assert "retraining 1 of 2: 8 replicas visited 560 states, 0 % kept, 280 force calls" in output
    assert "retraining ends here: no replica stayed in physics for 33 steps" in output
    assert (metrics["retraining/rounds"], metrics["retraining/1/kept_share"]) == (0, 0.0)
    assert_same_weights(tmp_path / "run" / "best.ckpt", trained / "best.ckpt")


def test_where_nothing_is_left_to_learn_it_is_skipped(tmp_path, capsys, no_figures):
    metrics = train(tmp_path / "run", "model=DuR0", "retraining.rounds=2")
    assert "retraining: skipped, for the linear shortcut leaves nothing to learn" in capsys.readouterr().out
    assert not any(name.startswith("retraining") for name in metrics)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("retraining.share=2", "error: retraining.share = 2 must lie above 0 and not above 1\n"),
        ("retraining.n_steps=20", "error: retraining.n_steps = 20 must be at least 33, the frames of one training"),
    ],
)
def test_a_bad_plan_is_refused_before_training(override, words, cli):
    ended = cli("train", *FAST, *ROUNDS, override)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith(words)
