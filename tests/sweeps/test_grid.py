"""Which jobs are run, skipped and resumed, and what is printed, with trainings that take no time."""

import re
from pathlib import Path

import pytest

from sweeps.conftest import HERE


@pytest.fixture
def sweep(cli, trainings):
    def run(*arguments: str):
        trainings.seeds.clear()
        return cli("train", "--multirun", *HERE, *arguments)

    return run


def rows(out: str) -> dict[str, tuple[str, str]]:
    """The table: status and folder by job."""
    table = out[out.index("job ") :].splitlines()[2:]
    found = (re.fullmatch(r"(.*\S)\s+(done|skipped|running|failed)\s+(.*\S)\s*", line) for line in table)
    return {row[1]: (row[2], row[3]) for row in found if row}


def test_what_is_finished_is_skipped_and_the_rest_runs(sweep, trainings):
    first = sweep("seed=1,2")
    assert (first.code, first.err, trainings.seeds) == (0, "", [1, 2])
    again = sweep("seed=2,3,1")
    assert (again.code, again.err, trainings.seeds) == (0, "", [3])
    was, now = rows(first.out), rows(again.out)
    assert [status for status, _ in was.values()] == ["done", "done"]
    assert now["seed=1"] == ("skipped", was["seed=1"][1])
    assert now["seed=2"] == ("skipped", was["seed=2"][1])
    assert now["seed=3"][0] == "done"
    assert all((Path(folder) / "metrics.json").is_file() for _, folder in now.values())
    assert now["seed=3"][1].startswith("outputs/train/HCl/3vR0/")


def test_another_configuration_is_another_job(sweep, trainings):
    sweep("seed=1")
    for other in ("threads=2", "model=DuR0", "loss=plain", "system.dt_fs=0.25"):
        assert sweep("seed=1", other).code == 0
        assert trainings.seeds == [1]
    for same in ("data.cache=elsewhere", "system=HCl", "hydra.sweep.subdir=elsewhere"):
        assert sweep("seed=1", same).code == 0
        assert trainings.seeds == []


def test_a_single_run_counts_as_a_finished_job(cli, sweep, trainings):
    cli("train", "seed=4", "logger=none", "hydra.run.dir=outputs/train/mine")
    assert rows(sweep("seed=4,5").out)["seed=4"] == ("skipped", "outputs/train/mine")
    assert trainings.seeds == [5]


def test_a_failure_stops_no_other_job_and_is_tried_again(sweep, trainings, refusal):
    trainings.fails = {2: refusal}
    ended = sweep("seed=1,2,3")
    assert (ended.code, trainings.seeds) == (1, [1, 2, 3])
    assert ended.err == "error: 1 failed of 3 jobs; the same command takes up what is not finished\n"
    assert {job: status for job, (status, _) in rows(ended.out).items()} == {
        "seed=1": "done",
        "seed=2": "failed",
        "seed=3": "done",
    }
    folder = rows(ended.out)["seed=2"][1]
    assert ended.out.splitlines()[-1] == f"failed: seed=2: seed = 2 is bad luck ({folder})"
    trainings.fails = {}
    assert (sweep("seed=1,2,3").code, trainings.seeds) == (0, [2])


def test_a_bug_in_a_job_is_one_line_at_the_end_and_keeps_its_traceback(sweep, trainings):
    trainings.fails = {2: ValueError("no such axis\nmore words")}
    ended = sweep("seed=2,3")
    assert (ended.code, trainings.seeds) == (1, [2, 3])
    assert "failed: seed=2: ValueError: no such axis (" in ended.out
    assert "Traceback (most recent call last)" in ended.err


def test_an_interrupted_job_is_resumed_in_its_folder(sweep, trainings):
    trainings.fails = {2: KeyboardInterrupt()}
    stopped = sweep("seed=1,2,3")
    assert (stopped.code, trainings.seeds) == (130, [1, 2])
    assert stopped.out.splitlines()[-1] == "sweep interrupted, 1 job is finished; the same command goes on from there"
    assert stopped.err == ""
    folder = trainings.calls[-1]["folder"]
    (folder / "last.ckpt").touch()
    trainings.fails = {}
    ended = sweep("seed=1,2,3")
    assert (ended.code, trainings.seeds) == (0, [2, 3])
    resumed, fresh = trainings.calls[-2:]
    assert (resumed["folder"], fresh["folder"].name[-2:]) == (folder, "_2")
    assert resumed["overrides"] == [f"resume={folder.relative_to(Path.cwd())!s}".replace("=", "='") + "'"]
    assert Path(resumed["values"]["resume"]).resolve() == folder
    assert f"[1] resumed  seed=2  {folder.relative_to(Path.cwd())}" in ended.out


def test_the_same_job_twice_runs_once(sweep, trainings):
    ended = sweep("seed=1,1")
    assert (ended.code, trainings.seeds) == (0, [1])
    assert ended.out.count("skipped") == 2  # as it ends, and in the table


def test_a_job_that_another_process_runs_is_left_to_it(sweep, trainings, monkeypatch):
    trainings.fails = {1: RuntimeError("as if it were at work")}
    sweep("seed=1")
    folder = trainings.calls[-1]["folder"]
    (folder / "last.ckpt").touch()
    monkeypatch.setattr("mlmd.sweeps.folders.is_held", lambda path: path.resolve() == folder)
    ended = sweep("seed=1")
    assert (ended.code, trainings.seeds) == (1, [])
    assert ended.err == "error: 1 run in another process of 1 jobs; the same command takes up what is not finished\n"


def test_a_configuration_may_bring_its_own_values(sweep, trainings):
    assert sweep("+hydra.sweeper.params={seed:'1,2',loss:'plain,relative'}", "loss=plain").code == 0
    assert trainings.seeds == [1, 2]
    assert {call["values"]["loss"]["_target_"] for call in trainings.calls} == {"mlmd.training.SequenceLoss"}


def test_the_clock_of_a_job_does_not_begin_with_the_sweep(cli, sweep, trainings):
    sweep("seed=1")
    cli("train", "seed=2", "logger=none")
    assert [call["began"] is None for call in trainings.calls] == [True, False]


def test_how_to_sweep_is_no_part_of_a_job(sweep, trainings):
    sweep("seed=1", "sweep=two_jobs", "hydra.sweeper.n_jobs=1")
    (call,) = trainings.calls
    assert call["overrides"] == ["logger=none", "seed=1"]
    assert "sweep" not in call["values"]
    assert len(call["values"]["digest"]) == 16


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hydra.sweeper.n_jobs=0"], "hydra.sweeper.n_jobs = 0 must be at least 1"),
        (["hydra.sweeper.n_jobs=2"], "hydra/launcher=basic runs one job at a time, in this process"),
        (["data.batches.noise=interval(0,1)"], "data.batches.noise=interval(0,1): an interval has no end of values"),
        (["+hydra.sweeper.params={system:'HCl,HCL'}"], "system=HCL: there is no configuration 'system/HCL'"),
    ],
)
def test_bad_input_is_one_line_before_anything_runs(arguments, words, sweep, trainings):
    ended = sweep(*arguments)
    assert (ended.code, trainings.seeds) == (2, [])
    assert ended.err.startswith("error: ")
    assert words in ended.err
    assert ended.err.count("\n") == 1
