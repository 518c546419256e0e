import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlmd.errors import DataError
from mlmd.io.checkpoint_file import load_checkpoint_file
from mlmd.io.migrations import CHECKPOINT_VERSION


def _checkpoint(**entry: Any) -> dict[str, Any]:
    return {
        "state_dict": {"w": torch.arange(4096, dtype=torch.float64)},
        "mlmd": {"format_version": CHECKPOINT_VERSION, "dt_fs": 0.5, "symbols": ["H", "Cl"], **entry},
    }


def _refusal(path: Path) -> str:
    with pytest.raises(DataError) as error:
        load_checkpoint_file(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "a.ckpt"
    torch.save(_checkpoint(), target)
    return target


def test_a_good_file_is_loaded_whole(path: Path) -> None:
    loaded = load_checkpoint_file(path)
    assert loaded["mlmd"] == _checkpoint()["mlmd"]
    assert torch.equal(loaded["state_dict"]["w"], torch.arange(4096, dtype=torch.float64))
    assert loaded["state_dict"]["w"].device.type == "cpu"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "there is no such file" in _refusal(tmp_path / "none.ckpt")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in _refusal(tmp_path)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_refused(path: Path, kept: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    assert "it is truncated or not an mlmd checkpoint" in _refusal(path)


def test_another_file_is_refused(path: Path) -> None:
    path.write_text("step,mae\n1,2\n")
    assert "it is truncated or not an mlmd checkpoint" in _refusal(path)


def test_a_legacy_torch_file_is_refused(path: Path) -> None:
    torch.save(_checkpoint(), path, _use_new_zipfile_serialization=False)
    assert "it is truncated or not an mlmd checkpoint" in _refusal(path)


def test_one_altered_number_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    number = torch.tensor([2048.0], dtype=torch.float64).numpy().tobytes()
    assert whole.count(number) == 1
    path.write_bytes(whole.replace(number, torch.tensor([2048.5], dtype=torch.float64).numpy().tobytes()))
    # torch alone would load it.
    assert torch.load(path, weights_only=True)["state_dict"]["w"][2048] == 2048.5
    assert "has been altered or is damaged" in _refusal(path)


def test_any_damaged_byte_is_refused_or_harmless(path: Path) -> None:
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    places = [int(place) for place in generator.choice(len(whole), 150, replace=False)]
    # The directory at the end is a small part of the file with most of its structure.
    places += range(len(whole) - 600, len(whole), 5)
    refused = 0
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            loaded = load_checkpoint_file(path)
        except DataError:
            refused += 1
        else:
            assert torch.equal(loaded["state_dict"]["w"], _checkpoint()["state_dict"]["w"])
            assert loaded["mlmd"] == _checkpoint()["mlmd"]
    assert refused > len(places) // 2


class _Malicious:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.witness),)


def test_a_malicious_pickle_does_not_run(path: Path) -> None:
    witness = path.parent / "it_ran"
    torch.save({**_checkpoint(), "hyper_parameters": _Malicious(witness)}, path)
    message = _refusal(path)
    assert "holds something other than tensors and plain values" in message
    assert "it is not an mlmd checkpoint and was not unpickled" in message
    assert not witness.exists()
    # The trap works where it is sprung.
    torch.load(path, weights_only=False)
    assert witness.exists()


def test_a_bare_malicious_pickle_does_not_run(path: Path) -> None:
    witness = path.parent / "it_ran"
    path.write_bytes(pickle.dumps(_Malicious(witness)))
    assert "not an mlmd checkpoint" in _refusal(path)
    assert not witness.exists()


def test_objects_of_libraries_are_refused(path: Path) -> None:
    torch.save({**_checkpoint(), "scale": np.arange(3)}, path)
    assert "holds something other than tensors and plain values" in _refusal(path)


def test_a_zip_of_another_content_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photograph.png", b"123")
    assert "it is a zip archive but not an mlmd checkpoint" in _refusal(path)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {}},
        [1, 2],
        torch.zeros(3),
        {"mlmd": "1"},
        {"mlmd": {"dt_fs": 0.5}},
        {"mlmd": {"format_version": "1"}},
    ],
)
def test_a_torch_file_of_another_program_is_refused(path: Path, content: Any) -> None:
    torch.save(content, path)
    assert "not an mlmd checkpoint; give a file that mlmd's training wrote" in _refusal(path)


def test_a_newer_format_is_refused(path: Path) -> None:
    torch.save(_checkpoint(format_version=CHECKPOINT_VERSION + 1), path)
    message = _refusal(path)
    assert f"its format version {CHECKPOINT_VERSION + 1} is newer" in message
    assert "update mlmd" in message
