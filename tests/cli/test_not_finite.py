"""Numbers that are not finite end a training, or are refused where they come from a file."""

import shutil

import pytest
import torch

from cli.running import FAST, SHORT, TO_LEARN
from mlmd.io.content_digest import with_digest


def test_a_loss_that_is_not_finite_ends_the_training_and_the_error_names_the_epoch(cli, tmp_path):
    ended = cli("train", *FAST, *TO_LEARN, "optimizer.learning_rate=1e30", "hydra.run.dir=run")
    assert ended.code == 2
    assert ended.err.startswith("error: the training loss is no finite number from batch ")
    assert "of epoch 1 on: lower optimizer.learning_rate" in ended.err
    assert ended.err.count("\n") == 1
    assert not (tmp_path / "run" / "last.ckpt").exists()


@pytest.fixture
def spoilt(trained, tmp_path):
    """A run whose checkpoints hold one weight that is NaN."""
    run = tmp_path / "spoilt"
    shutil.copytree(trained, run)
    for name in ("best.ckpt", "last.ckpt"):
        checkpoint = torch.load(run / name, weights_only=True)
        checkpoint["state_dict"]["predictor.network.head.weight"][0, 3] = torch.nan
        torch.save(with_digest(checkpoint), run / name)
    return run


def test_weights_that_are_not_finite_are_not_simulated(cli, spoilt):
    ended = cli("simulate", f"checkpoint={spoilt}", *SHORT)
    words = f"error: {spoilt / 'best.ckpt'}: network.head.weight holds numbers that are not finite; give another"
    assert (ended.code, ended.err) == (2, f"{words} checkpoint\n")


def test_weights_that_are_not_finite_are_not_trained_further(cli, spoilt):
    (spoilt / "metrics.json").unlink()
    ended = cli("train", f"resume={spoilt}")
    words = "error: network.head.weight of the predictor holds numbers that are not finite; train anew\n"
    assert (ended.code, ended.err) == (2, words)
