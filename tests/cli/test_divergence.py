"""Replicas that leave physics are reported with their step; the others, and the run, go on."""

import json
import re

import pytest
import torch

from cli.running import FAST, TO_LEARN
from mlmd.io.trajectory_file import read_trajectory

N_REPLICAS = 6


@pytest.fixture
def simulate(trained, cli, tmp_path):
    """A simulation by an untrained plain LSTM whose head shouts at random, more or less loud."""

    def run(*, loudness: float, n_steps: int):
        stored = torch.load(trained / "best.ckpt", weights_only=True)
        weights = stored["state_dict"]
        stored["mlmd"]["spec"]["shortcut"] = False
        weights["predictor.scaling.weights"].zero_()
        weights["predictor.scaling.basis"].fill_(0.01)
        head = weights["predictor.network.head.weight"]
        head.copy_(loudness * torch.randn(head.shape, generator=torch.Generator().manual_seed(0)))
        torch.save(stored, tmp_path / "wild.ckpt")
        sizes = (f"n_steps={n_steps}", f"n_replicas={N_REPLICAS}")
        ended = cli("simulate", "checkpoint=wild.ckpt", *sizes, "injection=never", "hydra.run.dir=run")
        assert (ended.code, ended.err) == (0, "")
        return ended

    return run


def told(line: str) -> dict[int, int]:
    return {int(replica): int(step) for replica, step in re.findall(r"replica (\d+) at step (\d+)", line)}


def test_some_replicas_diverge_and_the_rest_goes_on(simulate, tmp_path):
    ended = simulate(loudness=1.0, n_steps=432)
    (line,) = [line for line in ended.out.splitlines() if "diverged and became NaN" in line]
    found = told(line)
    assert 0 < len(found) < N_REPLICAS
    assert line.startswith(f"never: {len(found)} of {N_REPLICAS} replicas diverged")
    assert line.endswith("the rest went on")
    trajectory, _ = read_trajectory(tmp_path / "run" / "trajectory.h5")
    assert len(trajectory) == 432
    for replica in range(N_REPLICAS):
        finite = trajectory.positions[replica].isfinite().flatten(1).all(dim=1)
        assert finite.tolist() == [step < found.get(replica, 432) for step in range(432)]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    # A replica whose energy has doubled counts as well, though its frames are numbers still.
    assert len(found) <= metrics["rollout/never/diverged_replicas"] <= N_REPLICAS
    assert metrics["rollout/never/n_replicas"] == N_REPLICAS
    assert metrics["rollout/never/energy_error_worst"] is None
    assert isinstance(metrics["rollout/never/bond_mean_error_A"], float), "scores of those that are left"
    assert (tmp_path / "run" / "figures" / "energy_error.png").is_file()


def test_a_run_without_survivors_ends_well(simulate, tmp_path):
    ended = simulate(loudness=3.0, n_steps=332)
    assert "none is left" in ended.out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["rollout/never/diverged_replicas"] == N_REPLICAS
    counts = ("force_calls", "warmup_force_calls", "frequency", "n_steps", "n_replicas", "diverged_replicas")
    for name, value in metrics.items():
        scored = name.startswith("rollout/") and not name.endswith(counts)
        assert (value is None) == scored, name
    assert "diverged" in ended.out.split("rollout", 1)[1], "the table says so in words"


def test_training_reports_what_diverged_in_its_rollouts(cli, tmp_path):
    ended = cli(
        "train",
        *FAST,
        *TO_LEARN,
        "model.shortcut=false",
        "optimizer.learning_rate=30",
        "optimizer.schedule=constant",
        "data.batches.batches_per_epoch=5",
        "hydra.run.dir=run",
    )
    assert (ended.code, ended.err) == (0, "")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    lines = [line for line in ended.out.splitlines() if "diverged and became NaN" in line]
    assert lines
    for line in lines:
        schedule = line.split(":")[0]
        assert metrics[f"rollout/{schedule}/diverged_replicas"] >= len(told(line)) > 0
        assert all(step % 100 == 0 for step in told(line).values())
        assert metrics[f"rollout/{schedule}/energy_error_worst"] is None
