from pathlib import Path

import pytest

from mlmd.data.external.file_plan import FilePlan
from mlmd.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.traj", "a.traj", "c.xyz", "run[1].traj"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a.traj", ["a.traj"]),
        ("?.traj", ["a.traj", "b.traj"]),
        (["c.xyz", "?.traj"], ["c.xyz", "a.traj", "b.traj"]),
        ("run[1].traj", ["run[1].traj"]),
        ("none.traj", ["none.traj"]),
    ],
)
def test_files_and_patterns(folder, path, names):
    assert FilePlan(path).files == [Path(name) for name in names]


def test_patterns_of_whole_paths(folder):
    assert FilePlan(f"{folder}/?.xyz").files == [folder / "c.xyz"]


@pytest.mark.parametrize(
    ("path", "words"), [("*.nc", r"\*\.nc: no file matches this pattern"), (["a.traj", "?.traj"], "names a.traj twice")]
)
def test_files_that_are_none_or_twice(folder, path, words):
    with pytest.raises(DataError, match=words):
        _ = FilePlan(path).files


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"path": None}, "data.trajectories.path is missing: give a trajectory file"),
        ({"path": []}, "data.trajectories.path is missing"),
        ({"val_fraction": 0.0}, "val_fraction = 0.0 must lie between 0 and 1"),
        ({"test_fraction": 1.0}, "test_fraction = 1.0 must lie between 0 and 1"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"n_steps": 0}, "n_steps = 0 must be at least 1"),
        ({"n_val": 0}, "n_val = 0 must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        FilePlan(**({"path": "a.traj"} | values))
