import json

from cli.running import TO_LEARN, judged, train
from mlmd.io.checkpoint_file import load_checkpoint_file


def test_a_run_with_nothing_to_learn_takes_one_step(tmp_path, no_figures):
    """And leaves the weights as they were drawn, as any number of steps would."""
    train(tmp_path / "run", "model=DuR0")
    stored = load_checkpoint_file(tmp_path / "run" / "last.ckpt")
    assert (stored["epoch"], stored["global_step"]) == (0, 1)
    assert float(stored["state_dict"]["predictor.network.head.weight"].abs().max()) == 0.0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test/velocity_accuracy_percent"] > 100.0 - 1e-9


def test_soap_learns_more_than_adam_in_as_many_steps(tmp_path, trained, no_figures):
    train(tmp_path, *TO_LEARN, "optimizer=soap")
    ours, theirs = judged(tmp_path), judged(trained)
    assert ours.keys() == theirs.keys()
    wrong, wrong_of_adam = (100.0 - metrics["test/velocity_accuracy_percent"] for metrics in (ours, theirs))
    assert wrong < 0.9 * wrong_of_adam


def test_the_time_of_training_is_in_the_log_and_among_the_costs(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert 0.0 < metrics["cost/first_step_s"] < metrics["cost/total_s"]
    (log,) = trained.glob("csv/version_0/metrics.csv")
    header, *rows = (line.split(",") for line in log.read_text().splitlines())
    times = [float(row[header.index("time/train_s")]) for row in rows if row[header.index("time/train_s")]]
    assert len(times) == 2
    assert 0.0 < times[0] < times[1] < metrics["cost/train_s"]
    assert not [name for name in metrics if name.startswith("time/")], "identical runs have identical metrics"
