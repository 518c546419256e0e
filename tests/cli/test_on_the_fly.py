"""``simulate.py mode=on_the_fly``, on a Morse bond in seconds."""

import csv
import json
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from cli.running import compose, judged
from mlmd.errors import CalculatorError, ConfigError, DataError
from mlmd.hamiltonians import MorseBond
from mlmd.io.trajectory_file import read_trajectory
from mlmd.on_the_fly import OnTheFly

QUICK = (
    "mode=on_the_fly",
    "hamiltonian=morse",
    "n_steps=1000",
    "model.hidden_size=8",
    "trainer.max_epochs=2",
    "data.batches.batches_per_epoch=40",
    "data.batches.batch_size=32",
    "on_the_fly.first_steps=300",
    "on_the_fly.held_out_steps=60",
    "on_the_fly.validation_steps=40",
    "on_the_fly.fallback_steps=100",
    "on_the_fly.disagreement=0.3",
    "on_the_fly.energy_band=0.2",
    "on_the_fly.validation_error=0.5",
    "engine=eager",
    "optimizer.learning_rate=0.05",
)


def learn(folder: Path, *overrides: str) -> dict[str, float]:
    from mlmd.cli.simulate import simulate

    values = compose("simulate", *QUICK, *overrides)
    return simulate(values, folder=str(folder), overrides=list(overrides), injection_name="every_100_anchored")


def go_on(folder: Path) -> dict[str, float]:
    from mlmd.cli.simulate import simulate

    values = compose("simulate", f"resume={folder}")
    return simulate(values, folder=str(folder), overrides=[f"resume={folder}"], injection_name="every_100_anchored")


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("on_the_fly") / "run"
    learn(folder)
    return folder


def test_it_activates_and_its_numbers_add_up(learned):
    metrics = json.loads((learned / "metrics.json").read_text())
    assert metrics["learning/takeover_step"] == 300
    assert metrics["learning/trainings"] == metrics["learning/trainings_that_passed"] == 1
    assert metrics["learning/fallbacks"] == 0
    rollout = {name.rpartition("/")[2]: value for name, value in metrics.items() if name.startswith("rollout/")}
    assert rollout["force_calls"] == 7
    assert rollout["warmup_force_calls"] == 300
    assert rollout["frequency"] == 7 / 700
    assert rollout["energy_error_median"] < 0.1
    costs = {name.removeprefix("cost/"): value for name, value in metrics.items() if name.startswith("cost/")}
    assert costs["force_calls"] == 307
    assert costs["pure_hamiltonian_s"] == pytest.approx(costs["forces_s"] / 307 * 1000)
    assert costs["speed_up"] == pytest.approx(costs["pure_hamiltonian_s"] / costs["elapsed_s"])
    spent = sum(costs[f"{kind}_s"] for kind in ("forces", "training", "trial", "learned"))
    assert spent < costs["elapsed_s"] < costs["total_s"]
    assert costs["speed_up"] < costs["speed_up_ceiling"]


def test_the_files_of_a_run_hold_its_steps_and_costs(learned):
    trajectory, metadata = read_trajectory(learned / "trajectory.h5")
    assert torch.equal(trajectory.steps, torch.arange(1000))
    assert metadata["symbols"] == ["H", "Cl"]
    with (learned / "ledger.csv").open() as file:
        entries = list(csv.DictReader(file))
    assert entries[-1]["step"] == "1000"
    assert [int(entry["force_calls"]) for entry in entries] == sorted(int(entry["force_calls"]) for entry in entries)
    with (learned / "signals.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 7
    assert (learned / "figures" / "on_the_fly.png").is_file()
    assert "Learning on the fly" in (learned / "report.html").read_text(encoding="utf-8")
    assert not list(learned.glob("*.unfinished"))


def test_its_predictor_can_be_used_like_any_other(learned, tmp_path):
    from cli.running import simulate

    metrics = simulate(tmp_path / "later", learned, "n_steps=300", "n_replicas=2")
    assert metrics["rollout/every_100/n_steps"] == 268


@pytest.mark.parametrize(
    ("owner", "name", "n_calls"),
    [(OnTheFly, "_advance_known", 2), (OnTheFly, "_try", 1), (OnTheFly, "_advance_learned", 4)],
)
def test_interrupted_and_resumed_it_is_the_uninterrupted_run(
    owner, name, n_calls, learned, tmp_path, interrupted_after, monkeypatch
):
    monkeypatch.setattr("mlmd.on_the_fly.loop.SAVE_EVERY_LEARNED", 200)
    folder = tmp_path / "run"
    interrupted_after(owner, name, n_calls)
    with pytest.raises(SystemExit) as ended:
        learn(folder)
    assert ended.value.code == 130
    assert not (folder / "metrics.json").exists()
    go_on(folder)
    assert judged(folder) == judged(learned)
    ours, theirs = (read_trajectory(path / "trajectory.h5")[0] for path in (folder, learned))
    for field in ("steps", "positions", "velocities", "kicks"):
        assert torch.equal(getattr(ours, field), getattr(theirs, field)), field


def test_a_training_that_was_interrupted_goes_on_from_its_last_epoch(learned, tmp_path, interrupted_after):
    from mlmd.training import PredictorModule

    folder = tmp_path / "run"
    interrupted_after(PredictorModule, "training_step", 60)
    with pytest.raises(SystemExit):
        learn(folder)
    assert (folder / "round_1" / "last.ckpt").is_file()
    go_on(folder)
    assert judged(folder) == judged(learned)


@contextmanager
def planted(change, *, first_call: int, last_call: int = 10**9):
    """What the Morse bond says at some of its calls, changed."""
    original, calls = MorseBond.energy_and_forces, [0]

    def energy_and_forces(self, positions):
        calls[0] += 1
        told = original(self, positions)
        return change(*told) if first_call <= calls[0] <= last_call else told

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MorseBond, "energy_and_forces", energy_and_forces)
        yield


def stiffer(energy, forces):
    return 2.0 * energy, 2.0 * forces


def refuse(energy, forces):
    raise CalculatorError("B3LYP/def2-SVP does not converge in 50 iterations")


PLANTED = ("judge=false", "figures=false", "on_the_fly.disagreement=0.2", "on_the_fly.energy_band=0.1", "n_steps=2000")


def test_it_falls_back_when_the_hamiltonian_changes_and_recovers(tmp_path, capsys):
    with planted(stiffer, first_call=306):
        metrics = learn(tmp_path / "run", *PLANTED)
    told = capsys.readouterr().out
    assert metrics["learning/fallbacks"] >= 1
    assert metrics["learning/trainings"] >= 2
    assert "the Hamiltonian takes over from step" in told
    assert "the energy of the true steps has a new mean" in told
    assert "learned" in told.rpartition("of 2,000: ")[2], "it has recovered by the end"
    trajectory, _ = read_trajectory(tmp_path / "run" / "trajectory.h5")
    assert torch.equal(trajectory.steps, torch.arange(2000))


def test_forces_that_cannot_be_had_stop_a_run_with_everything_saved(tmp_path, learned):
    folder = tmp_path / "run"
    with planted(refuse, first_call=240, last_call=240), pytest.raises(CalculatorError) as refused:
        learn(folder)
    assert str(refused.value).startswith("B3LYP/def2-SVP does not converge in 50 iterations (near step ")
    assert str(refused.value).endswith(f"mlmd simulate resume={folder})")
    assert "\n" not in str(refused.value)
    go_on(folder)
    assert judged(folder) == judged(learned)


def test_a_run_that_is_complete_is_not_resumed(learned):
    with pytest.raises(DataError, match="is complete, there is nothing to resume"):
        go_on(learned)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("start_step=40", "start_step=40: mode=on_the_fly decides this by itself; remove it"),
        ("checkpoint=somewhere", "checkpoint=somewhere: mode=on_the_fly decides this by itself"),
        ("n_replicas=0", "n_replicas = 0 must be at least 1"),
        ("judge_frames=0", "judge_frames = 0 must be at least 1"),
        ("reference_steps=-1", "reference_steps = -1 must be at least 0"),
        ("on_the_fly.held_out_steps=20", "on_the_fly.held_out_steps = 20 is too short"),
        ("on_the_fly.disagreement=0", "on_the_fly.disagreement = 0 must be positive"),
        ("injection=never", "on-the-fly learning watches its injections"),
    ],
)
def test_bad_input_is_refused(override, words, tmp_path):
    with pytest.raises(ConfigError) as refused:
        learn(tmp_path / "run", override)
    assert words in str(refused.value)
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_it_is_compared_with_true_dynamics_from_where_ml_took_over(tmp_path):
    folder = tmp_path / "run"
    metrics = learn(folder, "reference_steps=600", "figures=false")
    name = "rollout/every_100_anchored"
    assert metrics[f"{name}/bond_mean_error_A"] < 0.01
    assert metrics[f"{name}/angular_momentum_error"] < 1e-9
    reference, _ = read_trajectory(folder / "reference.h5")
    run, _ = read_trajectory(folder / "trajectory.h5")
    assert len(reference) == 600
    torch.testing.assert_close(reference.positions[:, 0], run.positions[:, 300], rtol=0, atol=0)
    with (folder / "lines.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert abs(float(line["position_cm1"]) - float(line["reference_cm1"])) < float(line["resolution_cm1"])
    assert metrics["cost/force_calls"] == 307, "those of the reference are nobody's"


def test_without_an_interruption_lines_go_to_the_console(tmp_path, capsys):
    learn(tmp_path / "run", "judge=false", "figures=false", "n_steps=400")
    told = capsys.readouterr().out
    assert "training 1: on 1 known stretches of 240 steps, tested on 1 of 60" in told
    assert "ML takes over" in told
    assert "step 400 of 400: learned, f " in told
