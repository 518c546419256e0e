from pathlib import Path

import pytest
import torch
from cli.running import judged, simulate

from mlmd.io.trajectory_file import read_trajectory

LONG = ("n_steps=4000", "n_replicas=2", "chunk_steps=100", "every=2")


@pytest.mark.parametrize(("file", "name"), [("trajectory.h5", "every_100_anchored"), ("reference.h5", "reference")])
def test_a_killed_simulation_goes_on_in_the_same_file(file, name, killed, cli, trained, tmp_path):
    run, whole = tmp_path / "killed", tmp_path / "whole"
    unfinished = run / f"{file}.unfinished"
    restart = unfinished / "restart.pt"
    arguments = (f"checkpoint={trained}", *LONG, "injection=every_100_anchored", f"hydra.run.dir={run}")
    killed("simulate", *arguments, once=lambda: saved_frames(restart) >= 100)
    assert not (run / file).exists()

    ended = cli("simulate", f"resume={run}")
    assert (ended.code, ended.err) == (0, "")
    (line,) = [line for line in ended.out.splitlines() if line.startswith("resuming ")]
    assert line.startswith(f"resuming {name} at step ")
    assert 100 <= int(line.split()[4]) < 4000
    simulate(whole, trained, *LONG, injection="every_100_anchored")

    (ours, metadata), (theirs, plain) = (read_trajectory(folder / "trajectory.h5") for folder in (run, whole))
    assert ours.steps.tolist() == list(range(0, 4000, 2)), "no missing and no repeated frame"
    for field in ("steps", "positions", "velocities", "kicks"):
        assert torch.equal(getattr(ours, field), getattr(theirs, field))
    assert metadata.keys() == plain.keys()
    assert judged(run) == judged(whole)
    assert not unfinished.exists()
    assert not list(run.glob(".*.tmp"))


def saved_frames(restart: Path) -> int:
    return torch.load(restart, weights_only=True)["n_frames"] if restart.is_file() else 0


def test_a_simulation_is_not_resumed_with_another_predictor(killed, cli, trained, tmp_path):
    """The checkpoint's file was overwritten by another training since."""
    stored = torch.load(trained / "best.ckpt", weights_only=True)
    torch.save(stored, tmp_path / "mine.ckpt")
    run = tmp_path / "run"
    restart = run / "trajectory.h5.unfinished" / "restart.pt"
    killed("simulate", "checkpoint=mine.ckpt", *LONG, f"hydra.run.dir={run}", once=restart.is_file)
    stored["state_dict"]["predictor.network.head.weight"][0, 0] += 1.0
    torch.save(stored, tmp_path / "mine.ckpt")
    ended = cli("simulate", f"resume={run}")
    assert ended.code == 2
    assert "belongs to another run; choose another output folder, or delete it to discard that run" in ended.err
