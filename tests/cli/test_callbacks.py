"""Callbacks of Lightning by name, several at once; a resumed run with them is the uninterrupted one."""

import csv

import pytest

from cli.running import TO_LEARN, assert_same_weights, compose, judged, train
from mlmd.cli.factories import make_callbacks
from mlmd.cli.settings import Component
from mlmd.cli.train import train as resume
from mlmd.errors import ConfigError

SHORT = ("data.batches.batches_per_epoch=4", "rollout.n_steps=300", "figures=false")
IMPATIENT = ("callbacks=[early_stopping,learning_rate_monitor]", "+callbacks.early_stopping.min_delta=10.0")
"""No epoch is ten better than the one before, so patience runs out."""


def epochs(folder) -> list[dict[str, str]]:
    with (folder / "csv" / "version_0" / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["val/loss"]]


def test_training_ends_where_patience_does_and_the_rate_is_logged(tmp_path):
    overrides = (*IMPATIENT, "callbacks.early_stopping.patience=2", "trainer.max_epochs=8")
    train(tmp_path, *TO_LEARN, *SHORT, *overrides)
    assert len(epochs(tmp_path)) == 3, "the first, and two without an improvement"
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open() as file:
        rates = [float(row["lr-AdamW"]) for row in csv.DictReader(file) if row.get("lr-AdamW")]
    assert len(rates) == 3
    assert len(set(rates)) == 3


def test_without_callbacks_training_has_all_its_epochs(tmp_path):
    train(tmp_path, *TO_LEARN, *SHORT, "trainer.max_epochs=4")
    assert len(epochs(tmp_path)) == 4


def test_resumed_with_its_patience_it_is_the_uninterrupted_run(tmp_path, interrupted_after):
    from mlmd.training import PredictorModule

    overrides = (*TO_LEARN, *SHORT, *IMPATIENT, "callbacks.early_stopping.patience=3", "trainer.max_epochs=8")
    train(tmp_path / "whole", *overrides)
    interrupted_after(PredictorModule, "training_step", 9)
    with pytest.raises(SystemExit):
        train(tmp_path / "cut", *overrides)
    resume(compose("train", f"resume={tmp_path / 'cut'}"), folder=str(tmp_path / "cut"), overrides=[])
    assert_same_weights(tmp_path / "whole" / "last.ckpt", tmp_path / "cut" / "last.ckpt")
    assert judged(tmp_path / "whole") == judged(tmp_path / "cut")


def test_what_is_no_callback_is_refused():
    with pytest.raises(ConfigError, match=r"callbacks\.mine: builtins\.dict makes a dict, which is no Callback"):
        make_callbacks({"mine": Component.of({"_target_": "builtins.dict"}, "callbacks.mine")})
