from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from stored import METADATA, assert_same, make_trajectory

from mlmd.errors import DataError
from mlmd.io.trajectory_file import read_trajectory, write_trajectory


def _refusal(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read_trajectory(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "trajectory.h5"
    write_trajectory(target, make_trajectory(), metadata=METADATA)
    return target


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "there is no such file" in _refusal(tmp_path / "none.h5")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "it is a folder" in _refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"step,x\n1,2\n"])
def test_a_file_that_is_not_hdf5_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "not an HDF5 file" in _refusal(path)


def test_a_truncated_file_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for kept in (len(whole) - 1, len(whole) // 2):
        path.write_bytes(whole[:kept])
        assert "it is truncated; copy it again or make it again" in _refusal(path)
    path.write_bytes(whole[:20])
    _refusal(path)


def _delete_kicks(file: h5py.File) -> None:
    del file["kicks"]


def _shorten_steps(file: h5py.File) -> None:
    values = file["steps"][:-1]
    del file["steps"]
    file["steps"] = values


def _narrow_kicks(file: h5py.File) -> None:
    values = file["kicks"][:].astype("f4")
    del file["kicks"]
    file["kicks"] = values


def _flatten(file: h5py.File) -> None:
    del file["positions"]
    file["positions"] = np.zeros((7, 3))


def _move_an_atom(file: h5py.File) -> None:
    file["positions"][3, 0, 0, 0] += 1e-12


def _change_unit(file: h5py.File) -> None:
    file["positions"].attrs["unit"] = "nanometre"


def _change_metadata(file: h5py.File) -> None:
    file.attrs["metadata"] = file.attrs["metadata"].replace(b"0.5", b"0.6")


def _change_format(file: h5py.File) -> None:
    file.attrs["format"] = "other"


def _remove_format(file: h5py.File) -> None:
    del file.attrs["format"]


def _remove_digest(file: h5py.File) -> None:
    del file.attrs["sha256"]


def _raise_version(file: h5py.File) -> None:
    file.attrs["format_version"] = 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_move_an_atom, "has been altered or is damaged; copy it again or make it again (its digest does not match)"),
        (_change_unit, "its digest does not match"),
        (_change_metadata, "its digest does not match"),
        (_remove_digest, "has been altered or is damaged"),
        (_delete_kicks, "dataset 'kicks' is missing"),
        (_shorten_steps, "dataset 'steps' does not have the shape"),
        (_narrow_kicks, "dataset 'kicks' does not have the shape and type"),
        (_flatten, "instead of [time, replica, atom, 3]"),
        (_change_format, "not an mlmd trajectory; give a file that mlmd wrote"),
        (_remove_format, "not an mlmd trajectory; give a file that mlmd wrote"),
        (_raise_version, "its format version 2 is newer than the 1 that this mlmd reads; update mlmd"),
    ],
)
def test_changes_are_noticed(path: Path, change: Callable[[h5py.File], None], words: str) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    assert words in _refusal(path)


def test_any_damaged_byte_is_refused_or_harmless(path: Path) -> None:
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    places = generator.choice(len(whole), 250, replace=False)
    for place in map(int, places):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            trajectory, metadata = read_trajectory(path)
        except DataError:
            refused += 1
        else:
            assert_same(trajectory, make_trajectory())
            assert metadata == METADATA
    assert refused > 30
