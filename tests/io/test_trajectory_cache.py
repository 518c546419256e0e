import hashlib
import logging
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from stored import assert_same, make_trajectory, names

from mlmd.errors import DataError
from mlmd.io.trajectory_cache import cache_path, cached_trajectory
from mlmd.io.trajectory_file import read_trajectory
from mlmd.state import Trajectory


class _Maker:
    """Makes a trajectory and counts how often."""

    def __init__(self, seed: int = 0) -> None:
        self.calls = 0
        self.seed = seed

    def __call__(self) -> Trajectory:
        self.calls += 1
        return make_trajectory(seed=self.seed)


def _cached(folder: Path, recipe: dict[str, Any], make: Callable[[], Trajectory]) -> Trajectory:
    return cached_trajectory(folder, recipe, make, metadata={"system": "HCl"})


def test_cache_makes_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make = _Maker()
    for _ in range(3):
        assert_same(_cached(tmp_path / "cache", {"seed": 0, "dt_fs": 0.5}, make), make_trajectory())
    assert_same(_cached(tmp_path / "cache", {"dt_fs": 0.5, "seed": 0}, make), make_trajectory())
    assert make.calls == 1
    assert not caplog.records
    _cached(tmp_path / "cache", {"seed": 1, "dt_fs": 0.5}, make)
    assert make.calls == 2
    assert len(names(tmp_path / "cache")) == 2


def test_cache_file_is_named_by_the_recipe_and_holds_it(tmp_path: Path) -> None:
    recipe = {"seed": 0, "dt_fs": 0.5}
    _cached(tmp_path, recipe, _Maker())
    digest = hashlib.sha256(b'{"dt_fs":0.5,"seed":0}').hexdigest()
    assert names(tmp_path) == [f"{digest[:16]}.h5"]
    assert cache_path(tmp_path, recipe).name == f"{digest[:16]}.h5"
    assert read_trajectory(cache_path(tmp_path, recipe))[1] == {"system": "HCl", "recipe": recipe}


def test_damaged_cache_file_is_reported_and_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = {"seed": 0}
    _cached(tmp_path, recipe, _Maker())
    path = cache_path(tmp_path, recipe)
    with h5py.File(path, "r+") as file:
        file["positions"][3, 0, 0, 0] += 1e-12
    make = _Maker()
    with caplog.at_level(logging.WARNING):
        assert_same(_cached(tmp_path, recipe, make), make_trajectory())
    assert make.calls == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "its digest does not match" in caplog.text
    assert str(path) in caplog.text
    assert_same(_cached(tmp_path, recipe, make), make_trajectory())
    assert make.calls == 1


def test_cache_file_of_another_recipe_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _cached(tmp_path, {"seed": 1}, _Maker(seed=1))
    cache_path(tmp_path, {"seed": 1}).rename(cache_path(tmp_path, {"seed": 0}))
    with caplog.at_level(logging.WARNING):
        assert_same(_cached(tmp_path, {"seed": 0}, _Maker(seed=0)), make_trajectory(seed=0))
    assert "was made by another recipe" in caplog.text


def test_cache_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    make = _Maker()
    with pytest.raises(DataError, match="cannot write"):
        _cached(tmp_path / "file" / "cache", {"seed": 0}, make)
    assert make.calls == 0


def test_two_processes_make_the_same_file_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    together = context.Barrier(2)

    def meet_and_make() -> Trajectory:
        together.wait(timeout=20)
        return make_trajectory(2000)

    workers = [context.Process(target=_cached, args=(tmp_path, {"seed": 0}, meet_and_make)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert names(tmp_path) == [cache_path(tmp_path, {"seed": 0}).name]
    make = _Maker()
    assert_same(_cached(tmp_path, {"seed": 0}, make), make_trajectory(2000))
    assert make.calls == 0
