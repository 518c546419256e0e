"""Runs that are killed or signalled at random moments end, after resume or the same command, as if nothing had been."""

import random
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from torture.campaign import Campaign
from torture.damage import same
from torture.processes import Commands, Ended
from torture.runs import QUICK, RUNS, left_by


@pytest.fixture(scope="module")
def commands(tmp_path_factory) -> Iterator[Commands]:
    started = Commands(tmp_path_factory.mktemp("kills"))
    ended = started.run("train", *QUICK, "hydra.run.dir=trained")
    assert ended.code == 0, ended.words
    yield started
    started.close()


class Whole:
    """The uninterrupted run, made once for each kind."""

    def __init__(self, commands: Commands, name: str) -> None:
        self.command, self.arguments = RUNS[name]
        self.folder = commands.folder / name.replace(" ", "_")
        ended = commands.run(self.command, *self.arguments, f"hydra.run.dir={self.folder}")
        assert ended.code == 0, ended.words
        self.took_s, self.left = ended.took_s, left_by(self.folder)


def completed(commands: Commands, whole: Whole, run: Path) -> tuple[Ended, str]:
    """The run to its end: resumed where it can be, else by the same command again."""
    if (run / "metrics.json").is_file():
        return Ended(0, "", 0.0), "was complete"
    ended = commands.run(whole.command, f"resume={run}")
    if ended.code != 2:
        return ended, "resumed"
    if ended.has_traceback:
        return ended, "not resumed"
    again = commands.run(whole.command, *whole.arguments, f"hydra.run.dir={run}")
    return again, f"given again, for {ended.words.strip()}"


def difference(run: Path, whole: Whole) -> list[str]:
    left = left_by(run)
    names = sorted(left.keys() | whole.left.keys())
    return [f"{name} differ" for name in names if not same(left.get(name), whole.left.get(name))]


def test_killed(commands, size):
    """SIGKILL: no bits, files, rows or numbers are lost."""
    names = list(RUNS) if size(0, 1) else ["simulate"]
    campaign, chance = Campaign("kills", size(2, 200)), random.Random(6)
    wholes = {name: Whole(commands, name) for name in names}
    for number in range(campaign.n_tries):
        name = names[number % len(names)]
        whole, run = wholes[name], commands.folder / f"killed_{number}"
        moments = [chance.uniform(0.1, whole.took_s)]
        killed = commands.run(
            whole.command, *whole.arguments, f"hydra.run.dir={run}", signal=signal.SIGKILL, after_s=moments[0]
        )
        faults = ["traceback when killed"] if killed.has_traceback else []
        if chance.random() < 0.3 and (run / "config.yaml").is_file() and not (run / "metrics.json").is_file():
            moments.append(chance.uniform(0.1, whole.took_s))
            commands.run(whole.command, f"resume={run}", signal=signal.SIGKILL, after_s=moments[1])
        ended, how = completed(commands, whole, run)
        if ended.code or ended.has_traceback:
            faults.append(f"code {ended.code}")
        else:
            faults += difference(run, whole)
        at = " and ".join(f"{moment:.2f} s" for moment in moments)
        campaign.note(f"{name} killed at {at} of {whole.took_s:.2f} s, {how}", faults, ended.words)
        if not faults:
            shutil.rmtree(run, ignore_errors=True)
    campaign.finish()


def test_signalled(commands, size):
    """SIGINT, SIGTERM and SIGHUP: the code of the signal, a line at most, and the run can be completed."""
    names = ["train", "simulate", "on the fly", "retrain"] if size(0, 1) else ["train"]
    campaign, chance = Campaign("signals", size(1, 60)), random.Random(7)
    wholes = {name: Whole(commands, name) for name in names}
    for number in range(campaign.n_tries):
        name = names[number % len(names)]
        whole, run = wholes[name], commands.folder / f"signalled_{number}"
        sent = chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        moment = chance.uniform(0.1, whole.took_s)
        stopped = commands.run(whole.command, *whole.arguments, f"hydra.run.dir={run}", signal=sent, after_s=moment)
        faults = []
        is_over = (run / "metrics.json").is_file()
        if stopped.code != 128 + sent and not (stopped.code == 0 and is_over):
            faults.append(f"code {stopped.code} after {sent.name}")
        if stopped.has_traceback:
            faults.append("traceback when signalled")
        if stopped.words.count("interrupted") > 1:
            faults.append("more than one line on the interruption")
        if faults:
            print(stopped.words, file=sys.stderr)
        ended, how = completed(commands, whole, run)
        if ended.code or ended.has_traceback:
            faults.append(f"code {ended.code}")
        else:
            faults += difference(run, whole)
        words = ended.words if ended.code else stopped.words
        campaign.note(f"{name} got {sent.name} at {moment:.2f} of {whole.took_s:.2f} s, {how}", faults, words)
        shutil.rmtree(run, ignore_errors=True)
    campaign.finish()
