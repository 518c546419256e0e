import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.errors import ConfigError, DataError
from mlmd.observables import (
    bond_lengths,
    bond_velocity,
    line_position_cm1,
    power_spectrum,
    spectrum_resolution_cm1,
    vacf,
    vacf_error,
)
from mlmd.observables.dynamics import fft_length

CM_PER_FS = 2.99792458e-5


def direct_vacf(velocities: np.ndarray, masses: np.ndarray, n_lags: int) -> np.ndarray:
    n_replicas, n_frames = velocities.shape[:2]
    correlation = np.zeros((n_replicas, n_lags))
    for lag in range(n_lags):
        products = velocities[:, : n_frames - lag] * velocities[:, lag:]
        correlation[:, lag] = np.einsum("rtai,a->r", products, masses) / (n_frames - lag)
    return correlation / correlation[:, :1]


@settings(deadline=None)  # the first call sets up the library
@given(n_replicas=st.integers(1, 3), n_frames=st.integers(2, 40), n_atoms=st.integers(1, 3), seed=st.integers(0, 99))
def test_vacf_is_the_direct_sum(n_replicas, n_frames, n_atoms, seed):
    rng = np.random.default_rng(seed)
    velocities = rng.normal(size=(n_replicas, n_frames, n_atoms, 3))
    masses = rng.uniform(1, 40, n_atoms)
    n_lags = int(rng.integers(1, n_frames + 1))
    expected = direct_vacf(velocities, masses, n_lags)
    tensors = torch.from_numpy(velocities), torch.from_numpy(masses)
    np.testing.assert_allclose(vacf(*tensors, n_lags, per_replica=True).numpy(), expected, atol=1e-11)
    np.testing.assert_allclose(vacf(*tensors, n_lags).numpy(), expected.mean(axis=0), atol=1e-11)


def test_vacf_of_a_harmonic_bond_is_its_cosine(harmonic_run):
    run = harmonic_run(n_frames=8000, drift_A_per_fs=0.0)
    masses = torch.tensor([1.008, 34.969])
    ours = vacf(run.trajectory.velocities, masses, 200)
    expected = torch.cos(2 * math.pi * 0.5 * torch.arange(200, dtype=torch.float64) / 12.5)
    assert float(vacf_error(ours, expected)) < 1e-3  # 1 / (4 pi * 320 periods) of end effects


def test_vacf_error_is_the_largest_difference():
    assert float(vacf_error(torch.tensor([1.0, 0.2, 0.5]), torch.tensor([1.0, 0.6, 0.4]))) == pytest.approx(0.4)


@pytest.mark.parametrize("n_lags", [0, 11])
def test_vacf_refuses_lags_that_the_run_lacks(n_lags):
    with pytest.raises(ConfigError, match="give 1 to 10"):
        vacf(torch.ones(1, 10, 1, 3), torch.ones(1), n_lags)


@settings(deadline=None)
@given(st.integers(1, 100_000))
def testfft_length_is_a_short_product_that_is_long_enough(n_least):
    length = fft_length(n_least)
    assert n_least <= length <= max(2 * n_least - 1, 1)
    odd = length // (length & -length)
    assert odd in (1, 3, 5)


def test_bond_velocity_is_the_slope_of_the_length():
    generator = torch.Generator().manual_seed(0)
    positions, velocities = torch.randn(2, 3, 4, 2, 3, generator=generator, dtype=torch.float64)
    dt = 1e-5
    ahead, behind = bond_lengths(positions + dt * velocities), bond_lengths(positions - dt * velocities)
    torch.testing.assert_close(bond_velocity(positions, velocities), (ahead - behind) / (2 * dt), rtol=1e-7, atol=1e-8)


def test_bond_velocity_refuses_other_frames():
    with pytest.raises(DataError, match="positions has shape"):
        bond_velocity(torch.ones(1, 3, 2, 3), torch.ones(1, 4, 2, 3))


@pytest.mark.parametrize("line_cm1", [213.3, 1000.0, 2990.9, 4401.2])
@pytest.mark.parametrize("phase", [0.0, 1.0])
def test_line_of_a_cosine_is_found_in_ten_ps(line_cm1, phase):
    time = 0.5 * torch.arange(20_000, dtype=torch.float64)
    signal = 0.3 + 0.01 * torch.cos(2 * math.pi * CM_PER_FS * line_cm1 * time + phase).unsqueeze(0)
    assert line_position_cm1(*power_spectrum(signal, 0.5)) == pytest.approx(line_cm1, abs=0.01)


@pytest.mark.parametrize("n_frames", [1500, 1501])
def test_power_is_the_mean_square_and_averages_replicas(n_frames):
    time = torch.arange(n_frames, dtype=torch.float64)
    amplitudes = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    wavenumbers, power = power_spectrum(amplitudes * torch.sin(0.4 * time) + 7.0, 1.0)
    total = float(power.sum() * (wavenumbers[1] - wavenumbers[0]))
    assert total == pytest.approx((1.0 + 9.0) / 2 / 2, rel=2e-3)
    assert float(power[0]) < 1e-3 * float(power.max())  # were the mean of 7 left in, ten times the line


def test_wavenumbers_reach_the_nyquist_frequency():
    wavenumbers, power = power_spectrum(torch.randn(1, 64, dtype=torch.float64), 2.0)
    assert float(wavenumbers[-1]) == pytest.approx(1 / (2 * 2.0 * CM_PER_FS), rel=1e-12)
    assert wavenumbers.shape == power.shape == (129,)


def test_spectrum_is_numpys():
    signal = np.random.default_rng(0).normal(size=(3, 50))
    wavenumbers, power = power_spectrum(torch.from_numpy(signal), 1.0)
    n = np.arange(50)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 50)
    frequencies = wavenumbers.numpy() * CM_PER_FS
    windowed = (signal - signal.mean(axis=1, keepdims=True)) * window
    amplitude = windowed @ np.exp(-2j * np.pi * np.outer(n, frequencies))
    direct = 2 * (np.abs(amplitude) ** 2).mean(axis=0) * CM_PER_FS / (window**2).sum()
    direct[[0, -1]] /= 2
    np.testing.assert_allclose(power.numpy(), direct, rtol=1e-9, atol=1e-12)


def test_resolution_is_the_measured_width_at_half_power():
    time = torch.arange(4000, dtype=torch.float64)
    wavenumbers, power = power_spectrum(torch.cos(0.5 * time).unsqueeze(0), 1.0)
    above = (power > 0.5 * power.max()).nonzero().flatten()
    width = float(wavenumbers[above[-1]] - wavenumbers[above[0]])
    bin_width = float(wavenumbers[1] - wavenumbers[0])
    assert width == pytest.approx(spectrum_resolution_cm1(4000, 1.0), abs=bin_width)


def test_line_on_the_edge_is_the_edge():
    wavenumbers = torch.tensor([0.0, 1.0, 2.0])
    assert line_position_cm1(wavenumbers, torch.tensor([3.0, 2.0, 1.0])) == 0.0
    assert line_position_cm1(wavenumbers, torch.tensor([1.0, 2.0, 3.0])) == 2.0


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_there_is_no_line_in_nothing(value):
    assert math.isnan(line_position_cm1(torch.arange(5.0), torch.full((5,), value)))


def test_spectrum_refuses_a_time_step_of_zero():
    with pytest.raises(ConfigError, match="must be positive"):
        power_spectrum(torch.ones(1, 8), 0.0)
