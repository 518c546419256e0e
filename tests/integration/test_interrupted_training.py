import csv
import json

import torch
from cli.running import FAST, TO_LEARN, assert_same_weights, judged, train

from mlmd.reporting.training_log import read_history

LONGER = (*TO_LEARN, "trainer.max_epochs=6", "data.batches.noise=1e-3")


def test_a_killed_training_goes_on_as_if_nothing_had_happened(killed, cli, tmp_path, no_figures):
    run, whole = tmp_path / "killed", tmp_path / "whole"
    last = run / "last.ckpt"
    killed("train", *FAST, *LONGER, f"hydra.run.dir={run}", once=last.is_file)
    assert torch.load(last, weights_only=True)["epoch"] < 5, "an early epoch"
    assert not (run / "metrics.json").exists()

    ended = cli("train", f"resume={run}")
    assert (ended.code, ended.err) == (0, "")
    with (run / "csv" / "version_1" / "metrics.csv").open() as log:
        assert min(int(row["epoch"]) for row in csv.DictReader(log)) >= 1, "it did not begin anew"
    train(whole, *LONGER)
    for name in ("last.ckpt", "best.ckpt"):
        assert_same_weights(run / name, whole / name)
    assert judged(run) == judged(whole)
    resumed, plain = (torch.load(folder / "last.ckpt", weights_only=True) for folder in (run, whole))
    assert (resumed["epoch"], resumed["global_step"]) == (plain["epoch"], plain["global_step"]) == (5, 120)
    logged, expected = read_history(run / "csv"), read_history(whole / "csv")
    assert [entry["epoch"] for entry in logged] == list(range(6))
    lost = [set(full) - set(entry) for entry, full in zip(logged, expected, strict=True)]
    # Lightning writes the csv row of the training loss just after the checkpoint of its epoch.
    assert [part for part in lost if part] in ([], [{"train/loss"}])
    assert all(entry.items() <= full.items() for entry, full in zip(logged, expected, strict=True))
    assert json.loads((run / "provenance.json").read_text())["seed"] == 1
    assert not list(run.rglob("*.tmp")), "nothing half-written is left"
