import pytest
import torch

from cli.running import TO_LEARN, assert_same_weights, judged, train, weights


def test_the_same_seed_gives_the_same_numbers_bit_for_bit(trained, tmp_path, no_figures):
    torch.rand(17)  # what the process drew before does not matter
    train(tmp_path, *TO_LEARN)
    assert judged(tmp_path) == judged(trained)
    for name in ("best.ckpt", "last.ckpt"):
        assert_same_weights(tmp_path / name, trained / name)


@pytest.mark.parametrize("changes", [["seed=2"], ["data.batches.noise=1e-3"], ["loss=plain"]], ids=str)
def test_another_recipe_gives_other_numbers(trained, tmp_path, no_figures, changes):
    train(tmp_path, *TO_LEARN, *changes)
    ours, theirs = judged(tmp_path), judged(trained)
    assert ours.keys() == theirs.keys()
    assert ours["test/velocity_accuracy_percent"] != theirs["test/velocity_accuracy_percent"]
    name = "predictor.network.head.weight"
    assert not torch.equal(weights(tmp_path / "last.ckpt")[name], weights(trained / "last.ckpt")[name])
