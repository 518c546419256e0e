"""A finished simulation is made longer: the longer one is that of a single command, bit for bit."""

import re

import pytest
import torch

from cli.running import judged
from mlmd.io.trajectory_file import read_trajectory
from mlmd.propagation import Propagator
from mlmd.sweeps import RunFolders

SETTINGS = ("n_replicas=3", "chunk_steps=50", "every=2", "logger=none")
SHORTER, LONGER = "n_steps=132", "n_steps=301"


@pytest.fixture
def extended(cli, trained, tmp_path):
    """The folder of a finished run, of which the shorter command is known to have succeeded."""
    ended = cli("simulate", f"checkpoint={trained}", *SETTINGS, SHORTER, "xyz=true", "hydra.run.dir=run")
    assert (ended.code, ended.err) == (0, "")
    return tmp_path / "run"


@pytest.fixture
def whole(cli, trained, tmp_path):
    """The folder of the longer run by a single command."""
    ended = cli("simulate", f"checkpoint={trained}", *SETTINGS, LONGER, "xyz=true", "hydra.run.dir=whole")
    assert (ended.code, ended.err) == (0, "")
    return tmp_path / "whole"


def assert_the_same(run, other):
    assert judged(run) == judged(other)
    for name in ("trajectory.h5", "reference.h5"):
        (ours, _), (theirs, _) = read_trajectory(run / name), read_trajectory(other / name)
        for field in ("steps", "positions", "velocities", "kicks"):
            assert torch.equal(getattr(ours, field), getattr(theirs, field)), (name, field)
    xyz = sorted(path.name for path in run.glob("*.xyz"))
    assert xyz == sorted(path.name for path in other.glob("*.xyz"))
    for name in xyz:
        assert (run / name).read_text() == (other / name).read_text()


def test_a_longer_run_is_that_of_one_command(cli, extended, whole):
    ended = cli("simulate", f"resume={extended}", LONGER)
    assert (ended.code, ended.err) == (0, "")
    assert_the_same(extended, whole)
    assert not list(extended.glob("*.unfinished"))


@pytest.mark.parametrize("n_pieces", [2, 6], ids=["in the trajectory", "in the reference"])
def test_an_interrupted_extension_is_resumed(cli, extended, whole, interrupted_after, n_pieces):
    interrupted_after(Propagator, "advance", n_pieces)
    assert cli("simulate", f"resume={extended}", LONGER).code == 130
    ended = cli("simulate", f"resume={extended}")
    assert (ended.code, ended.err) == (0, "")
    assert_the_same(extended, whole)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["n_steps=100"], "n_steps = 100 must be more than the 132 of the run that is extended"),
        (["n_steps=132"], "n_steps = 132 must be more than the 132 of the run that is extended"),
        ([LONGER, "seed=2"], "resume= takes its configuration from {}; remove seed=2"),
        ([], "{} is complete, there is nothing to resume; a larger n_steps= makes it longer"),
    ],
)
def test_what_makes_no_run_longer_is_refused(cli, extended, given, words):
    before = {path.name: path.stat().st_mtime_ns for path in extended.iterdir()}
    ended = cli("simulate", f"resume={extended}", *given)
    assert (ended.code, ended.err) == (2, f"error: {words.format(extended)}\n")
    assert {path.name: path.stat().st_mtime_ns for path in extended.iterdir()} == before


def test_a_sweep_takes_no_extended_run_for_the_shorter_one(cli, extended):
    (shorter,) = re.findall(r"^digest: '?(\w+)", (extended / "config.yaml").read_text(), flags=re.MULTILINE)
    assert RunFolders(extended).finished(shorter) == extended
    assert cli("simulate", f"resume={extended}", LONGER).code == 0
    assert RunFolders(extended).finished(shorter) is None
