"""Known errors show in the scores that they should show in, chunk by chunk and in the oracle of the tests."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from evaluation.oracle import oracle_scores
from mlmd.errors import DataError
from mlmd.evaluation import chunked_frames, evaluate_rollouts
from mlmd.state import Trajectory

MASSES = torch.tensor([1.008, 34.969], dtype=torch.float64)
PERIOD_FS = 12.5
KEYS = {
    "energy_error_median",
    "energy_error_worst",
    "energy_drift_meV_per_atom_per_ps",
    "drift_over_std_kinetic",
    "bond_mean_error_A",
    "bond_std_error_A",
    "bond_wasserstein_A",
    "vacf_error",
    "line_shift_cm1",
    "linear_momentum_error",
    "angular_momentum_error",
    "vibrational_kinetic_error",
    "diverged_replicas",
}
ROTATION = "rotational_kinetic_error"  # not a number where the reference does not rotate


def by_the_oracle(run, reference, **settings):
    return oracle_scores(run.trajectory, reference.trajectory, run.potential, reference.potential, **settings)


def chunk_by_chunk(run, reference, **settings):
    """The used path, whose potential finds the energies of a view of the positions at the same place."""

    def potential(positions):
        def is_view_of(source):
            return positions.untyped_storage().data_ptr() == source.trajectory.positions.untyped_storage().data_ptr()

        source = run if is_view_of(run) else reference
        shape = (*source.potential.shape, *source.trajectory.positions.shape[2:])
        everywhere = source.potential[..., None, None].expand(shape).contiguous()
        return everywhere.as_strided(positions.shape, positions.stride(), positions.storage_offset())[..., 0, 0]

    runs = {"rollout": run.trajectory}
    return evaluate_rollouts(runs, reference.trajectory, potential, **settings).scores["rollout"]


@pytest.fixture(params=[chunk_by_chunk, by_the_oracle])
def score_all(request, monkeypatch):
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 300 * 3 * 144)

    def score(run, reference, *, dt_fs=0.5) -> dict[str, float]:
        return request.param(run, reference, masses=MASSES, dt_fs=dt_fs, period_fs=PERIOD_FS)

    return score


@pytest.fixture
def score(score_all):
    def score_without_rotation(run, reference, **settings) -> dict[str, float]:
        scores = score_all(run, reference, **settings)
        assert math.isnan(scores.pop(ROTATION))
        return scores

    return score_without_rotation


def evaluate(run, reference):
    return chunk_by_chunk(run, reference, masses=MASSES, dt_fs=0.5, period_fs=PERIOD_FS)


def diverge(run, replica: int, frame: int) -> None:
    for tensor in (run.trajectory.positions, run.trajectory.velocities, run.potential):
        tensor[replica, frame:] = math.nan


def only(run, replicas: list[int]):
    old = run.trajectory
    kept = Trajectory(old.steps, old.positions[replicas], old.velocities[replicas], old.kicks[replicas])
    return dataclasses.replace(run, trajectory=kept, potential=run.potential[replicas])


def test_reference_against_itself_scores_zero(score, harmonic_run):
    scores = score(harmonic_run(), harmonic_run())
    assert set(scores) == KEYS
    assert all(isinstance(value, float) for value in scores.values())
    assert scores == pytest.approx(dict.fromkeys(KEYS, 0.0), abs=1e-8)


def test_longer_bond_is_seen_in_structure_alone(score, harmonic_run):
    scores = score(harmonic_run(length_A=1.28), harmonic_run())
    assert scores["bond_mean_error_A"] == pytest.approx(0.01, rel=1e-9)
    assert scores["bond_wasserstein_A"] == pytest.approx(0.01, rel=1e-9)
    for key in KEYS - {"bond_mean_error_A", "bond_wasserstein_A"}:
        assert scores[key] == pytest.approx(0.0, abs=1e-8), key


def test_larger_amplitude_is_seen_in_energy_and_spread(score, harmonic_run):
    run, reference = harmonic_run(amplitude_A=0.06), harmonic_run()
    scores = score(run, reference)
    expected = run.energy_eV / reference.energy_eV - 1
    assert scores["energy_error_median"] == pytest.approx(expected, rel=1e-6)
    assert scores["energy_error_worst"] == pytest.approx(expected, rel=1e-6)
    assert scores["bond_std_error_A"] == pytest.approx(0.01 / math.sqrt(2), rel=1e-2)
    # sorted cosines differ by 0.01 |cos|, on average 2/pi of it
    assert scores["bond_wasserstein_A"] == pytest.approx(0.01 * 2 / math.pi, rel=2e-2)
    assert abs(scores["line_shift_cm1"]) < 1e-3


def test_slower_vibration_is_seen_in_line_and_vacf(score, harmonic_run):
    n_frames, slower = 8000, 12.52
    run = harmonic_run(n_frames=n_frames, period_fs=slower, drift_A_per_fs=0.0)
    scores = score(run, harmonic_run(n_frames=n_frames, drift_A_per_fs=0.0))
    assert scores["line_shift_cm1"] == pytest.approx((1 / slower - 1 / PERIOD_FS) / 2.99792458e-5, abs=0.05)
    lags = 0.5 * np.arange(2001)  # 1 ps, not half the run
    expected = np.abs(np.cos(2 * np.pi * lags / slower) - np.cos(2 * np.pi * lags / PERIOD_FS)).max()
    assert scores["vacf_error"] == pytest.approx(expected, rel=5e-3)
    assert 0.5 < expected < 1.0  # longer lags would differ by more, so this sees which were compared


def test_drift_is_seen_with_its_sign_and_in_the_median(score, harmonic_run):
    run, reference = harmonic_run(n_frames=1000), harmonic_run(n_frames=1000)
    time_ps = 0.5e-3 * torch.arange(1000, dtype=torch.float64)
    slopes_eV_per_ps = torch.tensor([-0.02, -0.01, 0.05], dtype=torch.float64)
    run = dataclasses.replace(run, potential=run.potential + slopes_eV_per_ps[:, None] * time_ps)
    scores = score(run, reference)
    assert scores["energy_drift_meV_per_atom_per_ps"] == pytest.approx(-5.0, rel=1e-6)
    mu = float(MASSES.prod() / MASSES.sum())
    vibrational = 0.5 * mu * (2 * math.pi / PERIOD_FS * 0.05) ** 2 * 103.642697
    spread = vibrational / math.sqrt(8)  # of E sin^2; the even motion of the centre adds a constant
    assert scores["drift_over_std_kinetic"] == pytest.approx(0.02 * 0.4995 / spread, rel=1e-3)


def test_momenta_are_the_worst_replicas(score, harmonic_run):
    run, reference = harmonic_run(), harmonic_run()
    run.trajectory.velocities[1, -1, :, 1] += 0.01
    run.trajectory.velocities[2, -1, :, 1] += 0.03
    scores = score(run, reference)
    sizes = np.linalg.norm(reference.trajectory.velocities[2].numpy(), axis=-1) @ MASSES.numpy()
    assert scores["linear_momentum_error"] == pytest.approx(0.03 * float(MASSES.sum()) / sizes.mean(), rel=1e-9)
    assert scores["angular_momentum_error"] < 1e-10  # the whole molecule was pushed


def test_energy_error_is_of_the_last_ten_periods(score, harmonic_run):
    run, reference = harmonic_run(), harmonic_run()
    factor = torch.ones(1000, dtype=torch.float64)
    factor[:750] = 3.0  # 10 periods of 12.5 fs are the last 250 frames
    run = dataclasses.replace(run, potential=run.potential * factor)
    assert score(run, reference)["energy_error_worst"] < 1e-9
    factor[750] = 3.0
    run = dataclasses.replace(run, potential=run.potential * factor)
    assert score(run, reference)["energy_error_worst"] > 1e-9


def test_time_between_frames_counts_the_steps_between_them(score, harmonic_run):
    slow = {"period_fs": 12.6, "amplitude_A": 0.06}
    every_step = score(harmonic_run(**slow), harmonic_run(), dt_fs=0.5)
    every_fourth = score(harmonic_run(every_steps=4, **slow), harmonic_run(every_steps=4), dt_fs=0.125)
    assert every_fourth == every_step


def test_diverged_replica_is_infinite_in_energy_and_absent_elsewhere(score, harmonic_run):
    run, reference = harmonic_run(n_replicas=4, amplitude_A=0.06, length_A=1.3), harmonic_run(n_replicas=4)
    run.trajectory.velocities[3] *= 1.01
    diverge(run, 1, 600)
    scores = score(run, reference)
    survivors = score(only(run, [0, 2, 3]), only(reference, [0, 2, 3]))
    assert scores["energy_error_worst"] == math.inf
    assert math.isfinite(scores["energy_error_median"])
    assert (scores["diverged_replicas"], survivors["diverged_replicas"]) == (1, 0)
    for key in KEYS - {"energy_error_median", "energy_error_worst", "diverged_replicas"}:
        assert scores[key] == pytest.approx(survivors[key], rel=1e-12), key


def test_a_replica_whose_energy_has_doubled_has_diverged(score, harmonic_run):
    assert score(harmonic_run(amplitude_A=0.07), harmonic_run())["diverged_replicas"] == 0  # energy times 1.96
    assert score(harmonic_run(amplitude_A=0.0725), harmonic_run())["diverged_replicas"] == 3  # times 2.1


def test_kinetic_energies_are_compared_motion_by_motion(score_all, harmonic_run):
    def rotating(speed_A_per_fs):
        run = harmonic_run()
        positions, velocities = run.trajectory.positions, run.trajectory.velocities
        bond = positions[:, :, 1] - positions[:, :, 0]
        across = torch.linalg.cross(bond, torch.ones_like(bond))
        across = speed_A_per_fs * across / across.norm(dim=-1, keepdim=True)
        velocities[:, :, 0] -= across * MASSES[1] / MASSES.sum()
        velocities[:, :, 1] += across * MASSES[0] / MASSES.sum()
        return run

    scores = score_all(rotating(0.011), rotating(0.010))
    assert scores[ROTATION] == pytest.approx(0.21, rel=1e-9)
    assert scores["vibrational_kinetic_error"] == pytest.approx(0.0, abs=1e-12)
    faster = score_all(harmonic_run(amplitude_A=0.06), harmonic_run())
    assert faster["vibrational_kinetic_error"] == pytest.approx(0.44, rel=1e-9)


def test_replica_that_comes_back_from_nan_has_diverged(score, harmonic_run):
    run = harmonic_run()
    run.trajectory.positions[0, 3] = math.nan
    assert score(run, harmonic_run())["energy_error_worst"] == math.inf


def test_median_is_infinite_where_most_diverged(score, harmonic_run):
    run = harmonic_run()
    diverge(run, 0, 999)
    diverge(run, 2, 5)
    scores = score(run, harmonic_run())
    assert scores["energy_error_median"] == scores["energy_error_worst"] == math.inf
    assert scores["bond_mean_error_A"] == pytest.approx(0.0, abs=1e-12)


def test_without_survivors_the_rest_is_nan(score, harmonic_run):
    run = harmonic_run()
    for replica in range(3):
        diverge(run, replica, 100)
    scores = score(run, harmonic_run())
    assert set(scores) == KEYS
    assert scores.pop("diverged_replicas") == 3
    for key, value in scores.items():
        assert value == math.inf if key.startswith("energy_error") else math.isnan(value), key


@pytest.mark.parametrize("n_frames", [2, 3, 10, 40, 260])
def test_short_runs_are_scored(score, harmonic_run, n_frames):
    scores = score(harmonic_run(n_frames=n_frames, amplitude_A=0.06), harmonic_run(n_frames=n_frames))
    assert scores["energy_error_median"] > 0.1
    assert math.isfinite(scores["vacf_error"])


def test_other_steps_are_refused(harmonic_run):
    with pytest.raises(DataError, match="different steps"):
        evaluate(harmonic_run(every_steps=2), harmonic_run())


def test_uneven_frames_are_refused(harmonic_run):
    run = harmonic_run(n_frames=10)
    run.trajectory.steps[-1] += 1
    with pytest.raises(DataError, match="not evenly spaced"):
        evaluate(run, run)


def test_single_frame_is_refused(harmonic_run):
    run = harmonic_run(n_frames=1)
    with pytest.raises(DataError, match="need two frames"):
        evaluate(run, run)


def test_other_shapes_are_refused(harmonic_run):
    with pytest.raises(DataError, match="rollout has 3 replicas and 10 frames, the reference 3 and 11"):
        evaluate(harmonic_run(n_frames=10), harmonic_run(n_frames=11))
    run, settings = harmonic_run(n_frames=10), {"masses": MASSES, "dt_fs": 0.5, "period_fs": PERIOD_FS}
    with pytest.raises(DataError, match="potential_energy"):
        evaluate_rollouts({"f = 0": run.trajectory}, run.trajectory, lambda _: run.potential[:1], **settings)


def test_diverged_reference_is_refused(harmonic_run):
    reference = harmonic_run()
    diverge(reference, 0, 10)
    with pytest.raises(DataError, match="reference holds frames that are not finite"):
        evaluate(harmonic_run(), reference)
