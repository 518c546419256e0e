"""Files that are damaged, foreign or malicious: one clear line, exit code 2, nothing unpickled, nothing lost."""

import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from cli.running import FAST, SHORT, TO_LEARN, train
from mlmd.errors import DataError
from mlmd.io.trajectory_file import read_trajectory


class Malicious:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def checkpoint(trained, tmp_path):
    """A checkpoint of the user's, to be damaged."""
    return Path(shutil.copy(trained / "best.ckpt", tmp_path / "mine.ckpt"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit_of_the_weights(path: Path) -> None:
    data = bytearray(path.read_bytes())
    # The middle of the file lies in the tensors.
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def become_a_text(path: Path) -> None:
    path.write_text("epoch: 3\n")


def become_another_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Malicious(path.with_name("trace"))))


def hide_another_pickle(path: Path) -> None:
    stored = torch.load(path, weights_only=True)
    torch.save(stored | {"callbacks": Malicious(path.with_name("trace"))}, path)


def become_somebody_elses(path: Path) -> None:
    torch.save({"state_dict": {}, "epoch": 3}, path)


def change(path: Path, **entries) -> None:
    stored = torch.load(path, weights_only=True)
    stored["mlmd"] |= entries
    torch.save(stored, path)


def come_from_the_future(path: Path) -> None:
    change(path, format_version=99)


def lose_the_specification(path: Path) -> None:
    change(path, spec={})


def lose_the_configuration(path: Path) -> None:
    change(path, config={"seed": 1})


def claim_another_variant(path: Path) -> None:
    spec = torch.load(path, weights_only=True)["mlmd"]["spec"]
    change(path, spec=spec | {"coordinate_frames": 1})


def claim_an_unknown_variant(path: Path) -> None:
    spec = torch.load(path, weights_only=True)["mlmd"]["spec"]
    change(path, spec=spec | {"target": "force"})


DAMAGES = {
    truncate: "truncated or not an mlmd checkpoint",
    empty: "truncated or not an mlmd checkpoint",
    flip_a_bit_of_the_weights: "it has been altered or is damaged",
    become_a_text: "truncated or not an mlmd checkpoint",
    become_another_pickle: "truncated or not an mlmd checkpoint",
    hide_another_pickle: "it holds something other than tensors and plain values",
    become_somebody_elses: "not an mlmd checkpoint; give a file that mlmd's training wrote",
    come_from_the_future: "its format version 99 is newer than the 2 that this mlmd reads; update mlmd",
    lose_the_specification: "does not hold what an mlmd checkpoint holds",
    lose_the_configuration: "does not hold what an mlmd checkpoint holds ('system')",
    claim_another_variant: "weights do not fit DuR1, the model that it names",
    claim_an_unknown_variant: "model.target = 'force' is unknown",
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_checkpoint_that_is_not_sound(damage, words, checkpoint, cli, tmp_path):
    damage(checkpoint)
    ended = cli("simulate", f"checkpoint={checkpoint}", *SHORT)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert words in ended.err
    assert str(checkpoint) in ended.err or "model." in ended.err
    assert not (tmp_path / "trace").exists(), "it was unpickled"
    assert not list(tmp_path.rglob("*.h5"))


@pytest.mark.parametrize("damage", [truncate, flip_a_bit_of_the_weights, become_another_pickle, hide_another_pickle])
def test_a_run_is_not_resumed_from_a_checkpoint_that_is_not_sound(damage, trained, cli, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    damage(run / "last.ckpt")
    before = (run / "metrics.json").read_bytes()
    ended = cli("train", f"resume={run}")
    assert ended.code == 2
    assert ended.err.startswith(f"error: cannot read {run / 'last.ckpt'}: ")
    assert ended.err.count("\n") == 1
    assert not (run / "trace").exists()
    assert (run / "metrics.json").read_bytes() == before
    assert (run / "best.ckpt").read_bytes() == (trained / "best.ckpt").read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("last.ckpt", None, "holds no last.ckpt"),
        ("config.yaml", "{", "is not valid YAML"),
        ("config.yaml", "3", "holds no"),
    ],
)
def test_a_folder_without_what_resuming_needs(name, content, words, trained, cli, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / name).unlink()
    if content is not None:
        (run / name).write_text(content)
    ended = cli("train", f"resume={run}")
    assert ended.code == 2
    assert words in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("damage", [truncate, flip_a_bit_of_the_weights])
def test_a_damaged_cache_is_reported_and_made_again(damage, trained, tmp_path, caplog, no_figures):
    # The later data.cache counts.
    small = (*TO_LEARN, "data.batches.batches_per_epoch=2", f"data.cache={tmp_path}/cache")
    first = train(tmp_path / "first", *small)
    files = sorted((tmp_path / "cache").iterdir())
    sound = [path.read_bytes() for path in files]
    assert len(files) == 3
    damage(files[0])
    with pytest.raises(DataError, match=r"truncated|altered or is damaged"):
        read_trajectory(files[0])
    again = train(tmp_path / "again", *small)
    assert "making a cached trajectory again" in caplog.text
    assert [name for name in first if not name.startswith("cost/") and first[name] != again[name]] == []
    assert len(sound) == len(list((tmp_path / "cache").iterdir()))
    read_trajectory(files[0])


def test_a_cache_that_cannot_be_written(cli, tmp_path):
    (tmp_path / "file").touch()
    ended = cli("train", *FAST, "data.cache=file/cache")
    assert ended.code == 2
    assert "cannot write file/cache" in ended.err
    assert "a part of the path is a file, not a folder" in ended.err
