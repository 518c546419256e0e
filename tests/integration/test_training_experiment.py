"""The experiment on training speed: its stopwatch counts right, and its csv files are those its page shows."""

import csv
import importlib.util
import time

import pytest
from cli.running import ROOT

FOLDER = ROOT / "experiments" / "speed" / "training"


@pytest.fixture
def watch(monkeypatch):
    """A stopwatch on a clock of whole seconds, moved by `time.sleep`."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    spec = importlib.util.spec_from_file_location("stopwatch_of_training", FOLDER / "stopwatch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Stopwatch(whole=frozenset({"whole"}))


def test_a_part_has_the_time_that_no_part_inside_it_has(watch):
    with watch.part("outer"):
        time.sleep(1)
        with watch.part("inner"):
            time.sleep(2)
        with watch.part("whole"):
            time.sleep(4)
            with watch.part("inner"):
                time.sleep(8)
        time.sleep(16)
    time.sleep(32)
    assert dict(watch.wall_s) == {"outer": 17, "inner": 2, "whole": 12}


def test_methods_and_items_become_parts(watch):
    class Batches:
        def __iter__(self):
            for index in range(3):
                time.sleep(1)
                yield index

        def work(self, seconds):
            time.sleep(seconds)
            return seconds

    watch.times_items(Batches, "items")
    watch.times(Batches, "work", "work")
    with watch.part("all"):
        assert [Batches().work(10 + item) for item in Batches()] == [10, 11, 12]
    assert dict(watch.wall_s) == {"all": 0, "items": 3, "work": 33}


@pytest.mark.parametrize(
    ("name", "column", "n_rows"),
    [("profile", "part", 24), ("time_to_accuracy", "training", 24), ("startup", "until", 7)],
)
def test_the_page_shows_every_row(name, column, n_rows):
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    page = (FOLDER / "README.md").read_text()
    assert len(rows) == n_rows
    assert all(f"| {row[column]} |" in page for row in rows)
