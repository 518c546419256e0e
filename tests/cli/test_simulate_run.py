import json
import math

import numpy as np
import pytest
import torch

from cli.running import SHORT, judged, simulate
from mlmd.cli.factories import make_regime, make_system
from mlmd.cli.settings import Component
from mlmd.data.generation import draw_initial
from mlmd.io.load_predictor import load_predictor_and_config
from mlmd.io.trajectory_file import read_trajectory
from mlmd.propagation import AutoEngine, Dynamics, Injection, Periodic, Propagator


@pytest.fixture(scope="module")
def simulated(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "run"
    simulate(folder, trained, *SHORT, "xyz=true")
    return folder


def test_a_run_has_every_promised_file(simulated):
    files = {path.relative_to(simulated).as_posix() for path in simulated.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml",
        "provenance.json",
        "metrics.json",
        "curves.json",
        "replicas.csv",
        "report.html",
        ".lock",
        *(f"{name}.h5{end}" for name in ("trajectory", "reference") for end in ("", ".end.pt")),
        *(f"trajectory_{replica:04d}.xyz" for replica in range(3)),
        *(f"figures/{name}.png" for name in ("energy_error", "bond", "dynamics", "rollout")),
    }


def test_every_step_is_there_once(simulated):
    trajectory, metadata = read_trajectory(simulated / "trajectory.h5")
    assert trajectory.steps.tolist() == list(range(132))
    assert trajectory.positions.shape == (3, 132, 2, 3)
    assert bool(trajectory.positions.isfinite().all())
    assert metadata["system"] == "HCl"
    assert (metadata["dt_fs"], metadata["seed"], metadata["start_step"]) == (0.5, 2, 32)
    assert metadata["injection"]["schedule"]["frequency"] == 0.01
    assert metadata["provenance"]["seed"] == 2


def test_metrics_are_those_of_its_schedule(simulated):
    metrics = json.loads((simulated / "metrics.json").read_text())
    assert all(math.isfinite(value) for value in metrics.values())
    counts = {"n_steps": 100, "n_replicas": 3, "force_calls": 1, "frequency": 0.01, "warmup_force_calls": 32}
    for name, value in (counts | {"diverged_replicas": 0}).items():
        assert metrics[f"rollout/every_100/{name}"] == value
    assert set(metrics) >= {"cost/simulate_s", "cost/total_s", "cost/peak_memory_MB"}


def test_the_command_gives_the_frames_of_the_validated_propagator(simulated, trained):
    """The command gives the frames of the propagator that the rollout validation uses."""
    predictor, config = load_predictor_and_config(trained / "best.ckpt")
    parts = {name: Component.of(node, name) for name, node in config.items()}
    system, regime = make_system(parts["system"], parts["hamiltonian"]), make_regime(parts["regime"])
    injection, engine = Injection(Periodic(0.01)), AutoEngine()
    propagator = Propagator.begin(
        Dynamics(system=system, injection=injection, predictor=predictor, start_step=32, engine=engine),
        *draw_initial(system, regime, 3, seed=2, purpose="simulation"),
    )
    expected = propagator.advance(132)
    trajectory, _ = read_trajectory(simulated / "trajectory.h5")
    for field in ("steps", "positions", "velocities", "kicks"):
        assert torch.equal(getattr(trajectory, field), getattr(expected, field))


def test_ase_reads_the_extended_xyz(simulated):
    from ase.io import read

    trajectory, _ = read_trajectory(simulated / "trajectory.h5")
    for replica in range(3):
        frames = read(simulated / f"trajectory_{replica:04d}.xyz", ":")
        assert len(frames) == 132
        assert frames[0].get_chemical_symbols() == ["H", "Cl"]
        positions = np.stack([frame.positions for frame in frames])
        np.testing.assert_allclose(positions, trajectory.positions[replica].numpy(), atol=1e-7)


def test_the_same_seed_gives_the_same_numbers_however_it_is_cut(simulated, trained, tmp_path, no_figures):
    simulate(tmp_path / "again", trained, *SHORT[:2], "chunk_steps=132")
    assert judged(tmp_path / "again") == judged(simulated)
    (one, _), (other, _) = (read_trajectory(folder / "trajectory.h5") for folder in (simulated, tmp_path / "again"))
    assert torch.equal(one.positions, other.positions)
    simulate(tmp_path / "other", trained, *SHORT, "seed=3", "judge=false")
    assert not torch.equal(one.positions, read_trajectory(tmp_path / "other" / "trajectory.h5")[0].positions)


def test_every_kth_step_is_every_kth_frame(simulated, trained, tmp_path, no_figures):
    simulate(tmp_path, trained, *SHORT, "every=2")
    whole, _ = read_trajectory(simulated / "trajectory.h5")
    thinned, _ = read_trajectory(tmp_path / "trajectory.h5")
    assert thinned.steps.tolist() == list(range(0, 132, 2))
    assert torch.equal(thinned.positions, whole.positions[:, ::2])


def test_ml_may_start_later(simulated, trained, tmp_path, no_figures):
    metrics = simulate(tmp_path, trained, *SHORT, "start_step=80")
    assert metrics["rollout/every_100/warmup_force_calls"] == 80
    assert metrics["rollout/every_100/n_steps"] == 52
    early, _ = read_trajectory(simulated / "trajectory.h5")
    late, _ = read_trajectory(tmp_path / "trajectory.h5")
    assert torch.equal(late.positions[:, :33], early.positions[:, :33])
    assert not torch.equal(late.positions[:, 40:], early.positions[:, 40:])


@pytest.mark.parametrize("injection", ["always", "never", "every_1000", "every_100_anchored", "burst", "adaptive"])
def test_injections_run(injection, trained, tmp_path, no_figures):
    metrics = simulate(tmp_path, trained, *SHORT, injection=injection)
    calls = {"always": 100, "never": 0, "every_1000": 0, "every_100_anchored": 1, "burst": 0, "adaptive": 1}
    assert metrics[f"rollout/{injection}/force_calls"] == calls[injection]
    if injection == "always":
        assert metrics["rollout/always/bond_wasserstein_A"] < 1e-12


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("hamiltonian=harmonic", "note: trained with hamiltonian morse, now harmonic"),
        ("regime=rotating", "note: trained with regime thermal, now rotating"),
        ("regime=thermal regime.temperature_K=200", "note: trained with regime thermal, now with other values"),
    ],
)
def test_departures_from_training_are_reported(override, words, trained, tmp_path, capsys):
    simulate(tmp_path, trained, *SHORT, "judge=false", *override.split())
    assert words in capsys.readouterr().out.splitlines()


def test_the_best_checkpoint_of_a_folder_is_taken(trained, tmp_path):
    for name, checkpoint in (("folder", trained), ("file", trained / "best.ckpt")):
        simulate(tmp_path / name, checkpoint, *SHORT, "judge=false")
    (one, _), (other, _) = (read_trajectory(tmp_path / name / "trajectory.h5") for name in ("folder", "file"))
    assert torch.equal(one.positions, other.positions)


def test_a_simulation_is_filed_under_what_it_simulates(trained, cli, tmp_path):
    ended = cli("simulate", f"checkpoint={trained}", *SHORT, "judge=false")
    assert (ended.code, ended.err) == (0, "")
    (folder,) = (tmp_path / "outputs" / "simulate").glob("*/*/*")
    assert folder.parent.relative_to(tmp_path / "outputs" / "simulate").as_posix() == "HCl/DuR0"
