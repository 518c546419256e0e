import math

import numpy as np
import pytest
import torch
from ase import Atoms, units
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.errors import ConfigError, DataError
from mlmd.observables import (
    drift_over_std_kinetic,
    energy_drift,
    energy_error_along,
    frames_of_whole_periods,
    kinetic_energy,
    relative_energy_error,
)


def test_kinetic_energy_is_ases():
    rng = np.random.default_rng(0)
    velocities = 0.01 * rng.normal(size=(2, 3, 2, 3))
    masses = np.array([1.008, 34.969])
    ours = kinetic_energy(torch.from_numpy(velocities), torch.from_numpy(masses))
    assert ours.shape == (2, 3)
    for replica, frame in np.ndindex(2, 3):
        atoms = Atoms("HCl", masses=masses, velocities=velocities[replica, frame] / units.fs)
        assert float(ours[replica, frame]) == pytest.approx(atoms.get_kinetic_energy(), rel=1e-6)  # CODATA 2014 there


@settings(deadline=None)  # the first call sets up the library
@given(period_fs=st.floats(2.0, 200.0), frame_dt_fs=st.floats(0.05, 2.0), n_periods=st.integers(1, 30))
def test_window_is_whole_periods_to_half_a_frame(period_fs, frame_dt_fs, n_periods):
    frames = frames_of_whole_periods(period_fs, frame_dt_fs, n_periods)
    assert abs(frames * frame_dt_fs - n_periods * period_fs) <= 0.5 * frame_dt_fs * (1 + 1e-9)


def test_window_spans_ten_periods_by_default():
    assert frames_of_whole_periods(12.0, 0.5) == 240


def test_window_has_a_frame_where_frames_are_rarer_than_periods():
    assert frames_of_whole_periods(1.0, 100.0, 1) == 1


@pytest.mark.parametrize("arguments", [(0.0, 1.0, 10), (1.0, -1.0, 10), (1.0, 1.0, 0), (math.nan, 1.0, 10)])
def test_window_refuses_what_is_not_positive(arguments):
    with pytest.raises(ConfigError, match="must be positive"):
        frames_of_whole_periods(*arguments)


def test_energy_error_is_the_last_window_against_the_whole_reference():
    rng = np.random.default_rng(1)
    energy, reference = 1 + rng.random((4, 30)), 1 + rng.random((4, 50))
    expected = np.abs(energy[:, -7:].mean(axis=1) / reference.mean(axis=1) - 1)
    ours = relative_energy_error(torch.from_numpy(energy), torch.from_numpy(reference), window_frames=7)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12)


def test_whole_periods_hide_verlets_oscillation():
    frames = torch.arange(1000, dtype=torch.float64)
    period = 25.0
    energy = 1.0 + 0.01 * torch.cos(2 * math.pi * frames / period).unsqueeze(0)
    window = frames_of_whole_periods(period, 1.0)
    assert float(relative_energy_error(1.003 * energy, energy, window_frames=window)) == pytest.approx(0.003, abs=1e-12)
    assert float(relative_energy_error(energy, energy, window_frames=12)) > 1e-5  # half periods do not


def test_energy_error_along_is_the_direct_block_means_and_ends_with_the_end():
    rng = np.random.default_rng(2)
    energy, reference = 1 + rng.random((3, 23)), 1 + rng.random((3, 23))
    tensors = torch.from_numpy(energy), torch.from_numpy(reference)
    centres, errors = energy_error_along(*tensors, window_frames=5)
    assert centres.tolist() == [5.0, 10.0, 15.0, 20.0]
    for block, start in enumerate([3, 8, 13, 18]):
        expected = np.abs(energy[:, start : start + 5].mean(axis=1) / reference.mean(axis=1) - 1)
        np.testing.assert_allclose(errors[:, block].numpy(), expected, rtol=1e-12)
    torch.testing.assert_close(errors[:, -1], relative_energy_error(*tensors, window_frames=5))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_diverged_replica_has_infinite_error_from_there_on(bad):
    energy = torch.ones(2, 20, dtype=torch.float64)
    energy[1, 12:] = bad
    _, errors = energy_error_along(energy, torch.ones(2, 20, dtype=torch.float64), window_frames=5)
    assert errors.tolist() == [[0.0] * 4, [0.0, 0.0, math.inf, math.inf]]


@pytest.mark.parametrize("window_frames", [0, 21])
def test_window_outside_the_run_is_refused(window_frames):
    with pytest.raises(ConfigError, match="give 1 to 20"):
        relative_energy_error(torch.ones(1, 20), torch.ones(1, 20), window_frames=window_frames)


def test_reference_of_other_replicas_is_refused():
    with pytest.raises(DataError, match="by replica"):
        relative_energy_error(torch.ones(2, 20), torch.ones(1, 20), window_frames=5)


def test_drift_is_numpys_line():
    rng = np.random.default_rng(3)
    energy = 5.0 + 1e-3 * rng.normal(size=(3, 40))
    time_ps = 0.5e-3 * np.arange(40)
    expected = [np.polyfit(time_ps, row, 1)[0] * 1e3 / 2 for row in energy]
    ours = energy_drift(torch.from_numpy(energy), frame_dt_fs=0.5, n_atoms=2)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-9)


def test_small_drift_of_a_large_energy_keeps_its_digits():
    energy = -1e4 + 1e-6 * torch.arange(10_001, dtype=torch.float64).unsqueeze(0)
    assert float(energy_drift(energy, frame_dt_fs=1.0, n_atoms=1)) == pytest.approx(1.0, rel=1e-6)


def test_drift_over_std_kinetic_of_a_line_and_a_sine():
    frames = torch.arange(1000, dtype=torch.float64)
    kinetic = 2.0 + 0.5 * torch.sin(2 * math.pi * frames / 50).unsqueeze(0)
    energy = 3.0 - 1e-4 * frames.unsqueeze(0)
    expected = 1e-4 * 999 / (0.5 / math.sqrt(2))
    assert float(drift_over_std_kinetic(energy, kinetic)) == pytest.approx(expected, rel=1e-10)


def test_drift_of_a_diverged_replica_is_nan_and_of_the_others_untouched():
    energy = torch.arange(10, dtype=torch.float64).repeat(2, 1)
    energy[0, 9] = math.nan
    drift = energy_drift(energy, frame_dt_fs=1000.0, n_atoms=1)
    assert drift[0].isnan()
    assert float(drift[1]) == pytest.approx(1000.0)


def test_slope_of_one_frame_is_refused():
    with pytest.raises(DataError, match="two frames"):
        energy_drift(torch.ones(2, 1), frame_dt_fs=1.0, n_atoms=2)
