import json
from pathlib import Path

import pytest

from mlmd.errors import ConfigError
from mlmd.sweeps import Job, Outcome, Status, report

LONG = Path("/elsewhere/" + "a_long_name_for_a_folder/" * 8 + "2026-01-01_00-00-00_0")


def outcome(number: int, status: Status, **fields) -> Outcome:
    job = Job(number, f"seed={number} model=[x]", (), "0", Path("outputs"))
    return Outcome(job, status, fields.pop("folder", Path.cwd() / "outputs" / str(number)), **fields)


def test_the_table_is_in_order_and_keeps_paths_whole(capsys):
    report.print_table([outcome(1, Status.FAILED, folder=LONG), outcome(0, Status.DONE)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert rows[0] == ["job", "status", "folder"]
    assert rows[2:] == [
        ["seed=0", "model=[x]", "done", "outputs/0"],
        ["seed=1", "model=[x]", "failed", str(LONG)],
    ]


def test_a_search_has_a_column_for_its_objective(capsys):
    outcomes = [outcome(0, Status.DONE, value=1.5e-5), outcome(1, Status.FAILED)]
    report.print_table(outcomes, objective="val/best")
    rows = [line.split()[2:4] for line in capsys.readouterr().out.splitlines() if line.startswith("seed")]
    assert rows == [["done", "1.5e-05"], ["failed", "-"]]


def test_unfinished_jobs_are_listed_only_if_there_are_any():
    done, failed, running = outcome(0, Status.DONE), outcome(1, Status.FAILED, note="why"), outcome(2, Status.RUNNING)
    assert report.closing_line([done, outcome(1, Status.SKIPPED)]) is None
    left = report.closing_line([done, failed, running])
    assert left == "1 failed and 1 run in another process of 3 jobs; the same command takes up what is not finished"
    assert report.failure_lines([done, failed, running]) == ["failed: seed=1 model=[x]: why (outputs/1)"]


def test_lines_along_the_way():
    job = outcome(3, Status.DONE).job
    assert report.start_line(job, Path("outputs/a"), resumes=False) == "[3] started  seed=3 model=[x]  outputs/a"
    assert report.end_line(outcome(3, Status.DONE, wall_s=41.4)) == "[3] done     seed=3 model=[x]  41 s"
    assert report.end_line(outcome(3, Status.FAILED, note="why")) == "[3] failed   seed=3 model=[x]  why"
    assert report.begin_line(1, n_at_once=1) == "sweep: 1 job, one at a time"


def test_an_objective_is_read_or_refused_with_the_nearest_name(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"val/best": 0.25, "rollout/never/vacf_error": None}))
    assert report.read_objective(tmp_path, "val/best") == 0.25
    assert report.read_objective(tmp_path, "rollout/never/vacf_error") is None
    with pytest.raises(ConfigError, match=r"hydra.sweeper.objective = 'val/bst' .* did you mean 'val/best'"):
        report.read_objective(tmp_path, "val/bst")
