import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlmd.sweeps import Job, Outcome, Status, run_jobs


def job(number: int) -> Job:
    return Job(number, f"seed={number}", (), str(number), Path(str(number)))


def done(job: Job) -> Outcome:
    return Outcome(job, Status.DONE, job.folder)


def test_one_at_a_time_is_in_order_and_in_this_thread():
    threads = []

    def run(job: Job) -> Outcome:
        threads.append(threading.current_thread())
        return done(job)

    outcomes = list(run_jobs(map(job, range(3)), run, n_at_once=1))
    assert [outcome.job.number for outcome in outcomes] == [0, 1, 2]
    assert set(threads) == {threading.current_thread()}


def test_two_at_a_time_are_never_more_and_never_fewer():
    meet = threading.Barrier(2, timeout=10)
    running, most = [], []

    def run(job: Job) -> Outcome:
        running.append(job)
        most.append(len(running))
        meet.wait()  # with one at a time the second would never come
        running.remove(job)
        return done(job)

    assert len(list(run_jobs(map(job, range(6)), run, n_at_once=2))) == 6
    assert max(most) == 2


@pytest.mark.parametrize("n_at_once", [1, 2])
def test_a_job_is_chosen_after_the_outcomes_that_were_there_for_it(n_at_once):
    n_seen = 0
    known_when_chosen: list[int] = []

    def jobs() -> Iterator[Job]:
        for number in range(6):
            known_when_chosen.append(n_seen)
            yield job(number)

    for _ in run_jobs(jobs(), done, n_at_once=n_at_once):
        n_seen += 1
    assert known_when_chosen == [max(0, number + 1 - n_at_once) for number in range(6)]


@pytest.mark.parametrize("n_at_once", [1, 2])
def test_an_error_of_ours_ends_all(n_at_once):
    def run(job: Job) -> Outcome:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        list(run_jobs(map(job, range(3)), run, n_at_once=n_at_once))
