import errno

import pytest
import torch

from mlmd.errors import DataError
from mlmd.training.checkpoints import AtomicCheckpointIO, MovableCheckpoint


def test_a_checkpoint_comes_back(tmp_path):
    AtomicCheckpointIO().save_checkpoint({"weights": torch.arange(3.0), "epoch": 2}, tmp_path / "last.ckpt")
    stored = AtomicCheckpointIO().load_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert stored["epoch"] == 2
    assert torch.equal(stored["weights"], torch.arange(3.0))
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_costs_no_older_checkpoint(tmp_path, monkeypatch):
    writer = AtomicCheckpointIO()
    writer.save_checkpoint({"epoch": 1}, tmp_path / "last.ckpt")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*last\.ckpt: no space is left on the disk"):
        writer.save_checkpoint({"epoch": 2}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"], "no part is left"


@pytest.mark.parametrize("moved", [False, True])
def test_the_best_score_survives_a_move_of_the_folder(moved, make_module, fit, tmp_path):
    def checkpoint(folder):
        return MovableCheckpoint(folder, "best", monitor="val/loss", enable_version_counter=False)

    first = checkpoint(tmp_path / "old")
    fit(make_module(), first, enable_checkpointing=True)
    assert first.best_model_path == str(tmp_path / "old" / "best.ckpt")
    folder = tmp_path / ("new" if moved else "old")
    if moved:
        (tmp_path / "old").rename(folder)
    again = checkpoint(folder)
    again.load_state_dict(first.state_dict())
    assert again.best_model_score == first.best_model_score
    assert again.best_model_path == str(folder / "best.ckpt")
    assert again.best_k_models == {str(folder / "best.ckpt"): first.best_model_score}
