import math

import numpy as np
import pytest
import torch

from mlmd.errors import ConfigError
from mlmd.systems import RotatingRegime, ThermalRegime, VibratingRegime, diatomic

A = 9.648533212e-3  # A/fs^2 of 1 u under 1 eV/A
KB = 8.617333262e-5  # eV/K
KT = 300 * KB

HCL_MASSES = (1.0078250319, 34.968852694)
MU = HCL_MASSES[0] * HCL_MASSES[1] / sum(HCL_MASSES)


def draw(regime, system, n_replicas=200, seed=5):
    return regime.draw(system, n_replicas, generator=torch.Generator().manual_seed(seed))


def total_energy(system, positions, velocities):
    masses = system.masses()[:, None]
    kinetic = 0.5 * (masses * velocities.square()).sum(dim=(-2, -1)) / A
    return kinetic + system.hamiltonian.energy_and_forces(positions)[0]


def angular_momentum(system, positions, velocities):
    return (system.masses()[:, None] * torch.linalg.cross(positions, velocities)).sum(dim=-2)


@pytest.fixture(params=["hcl_harmonic", "hcl_morse"])
def hcl(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("regime", [VibratingRegime(4.0), RotatingRegime(2.0, 3.0), ThermalRegime(400.0)])
class TestEveryRegime:
    def test_centre_of_mass_is_at_rest_at_the_origin(self, regime, hcl):
        masses = hcl.masses()[:, None]
        for vectors in draw(regime, hcl):
            assert vectors.shape == (200, 2, 3)
            assert vectors.dtype == torch.float64
            assert float((masses * vectors).sum(dim=-2).abs().max()) < 1e-15 * 35

    def test_a_seed_names_the_states(self, regime, hcl):
        first, again, other = draw(regime, hcl), draw(regime, hcl), draw(regime, hcl, seed=6)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))

    def test_replicas_differ(self, regime, hcl):
        positions, _ = draw(regime, hcl)
        assert len(torch.unique(positions[:, 0, 0])) == 200

    def test_orientations_are_uniform(self, regime, hcl):
        positions, _ = draw(regime, hcl, n_replicas=20_000)
        axis = torch.nn.functional.normalize(positions[:, 1] - positions[:, 0], dim=-1)
        error = 4 / math.sqrt(20_000)
        assert axis.mean(dim=0).tolist() == pytest.approx([0.0] * 3, abs=error / math.sqrt(3))
        assert axis.square().mean(dim=0).tolist() == pytest.approx([1 / 3] * 3, abs=error * math.sqrt(4 / 45))


@pytest.mark.parametrize("energy_kT", [0.01, 1.0, 10.0])
def test_vibrating_has_the_exact_energy_and_no_angular_momentum(hcl, energy_kT):
    positions, velocities = draw(VibratingRegime(energy_kT), hcl)
    energy = total_energy(hcl, positions, velocities)
    assert energy.tolist() == pytest.approx([energy_kT * KT] * 200, rel=1e-10)
    assert float(angular_momentum(hcl, positions, velocities).abs().max()) < 1e-15


def test_an_energy_in_electronvolt_stands_in_for_the_multiple(hcl):
    states = draw(VibratingRegime(1.0, vibrational_energy_eV=0.4), hcl)
    assert total_energy(hcl, *states).tolist() == pytest.approx([0.4] * 200, rel=1e-10)


def test_rotating_has_the_angular_momentum_of_its_energy(hcl):
    positions, velocities = draw(RotatingRegime(2.0, 3.0), hcl)
    expected = math.sqrt(2 * MU * hcl.hamiltonian.constants.r_e_A**2 * 3.0 * KT * A)
    momentum = angular_momentum(hcl, positions, velocities)
    assert momentum.norm(dim=-1).tolist() == pytest.approx([expected] * 200, rel=1e-9)
    bond, relative = positions[:, 1] - positions[:, 0], velocities[:, 1] - velocities[:, 0]
    length = bond.norm(dim=-1)
    radial = (bond * relative).sum(dim=-1) / length
    vibrational = 0.5 * MU * radial**2 / A + hcl.hamiltonian.energy_and_slope(length)[0]
    assert vibrational.tolist() == pytest.approx([2.0 * KT] * 200, rel=1e-8)
    assert momentum.mean(dim=0).norm() < 4 * expected / math.sqrt(200)


def test_phases_are_uniform(hcl):
    positions, velocities = draw(VibratingRegime(2.0), hcl, n_replicas=20_000)
    bond = positions[:, 1] - positions[:, 0]
    length = bond.norm(dim=-1)
    stretch = length - hcl.hamiltonian.constants.r_e_A
    root = hcl.hamiltonian.energy_and_slope(length)[0].sqrt() * stretch.sign()
    radial = ((velocities[:, 1] - velocities[:, 0]) * bond).sum(dim=-1) / length
    phase = torch.atan2(radial * math.sqrt(0.5 * MU / A), root)
    ordered = (phase.sort().values + math.pi) / (2 * math.pi)
    steps = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    # Kolmogorov-Smirnov: P(sqrt(n) D > 2) = 7e-4.
    assert float((ordered - steps).abs().max()) * math.sqrt(20_000) < 2.0


def mean_potential(hcl, kT):
    """<V> with the r^2 of three dimensions, by a fine sum far beyond the sampled range."""
    r = np.linspace(0.4, 3.5, 400_001)
    constants = hcl.hamiltonian.constants
    if type(hcl.hamiltonian).__name__ == "HarmonicBond":
        V = 0.5 * constants.k_eV_per_A2 * (r - constants.r_e_A) ** 2
    else:
        a = math.sqrt(constants.k_eV_per_A2 / (2 * constants.D_e_eV))
        V = constants.D_e_eV * (1 - np.exp(-a * (r - constants.r_e_A))) ** 2
    weight = r**2 * np.exp(-V / kT)
    return (V * weight).sum() / weight.sum()


@pytest.mark.parametrize("temperature_K", [100.0, 300.0, 900.0])
def test_thermal_energies_follow_equipartition(hcl, temperature_K):
    n, kT = 100_000, KB * temperature_K
    positions, velocities = draw(ThermalRegime(temperature_K), hcl, n_replicas=n)
    potential = hcl.hamiltonian.energy_and_forces(positions)[0]
    relative = velocities[:, 1] - velocities[:, 0]
    kinetic = 0.5 * MU * relative.square().sum(dim=-1) / A

    def standard_errors(values, expected):
        return abs(float(values.mean()) - expected) / (float(values.std()) / math.sqrt(n))

    assert standard_errors(potential, mean_potential(hcl, kT)) < 4
    assert standard_errors(kinetic, 1.5 * kT) < 4
    # kT / 2 but for the r^2 and the anharmonicity, which grow with the temperature.
    assert float(potential.mean()) == pytest.approx(0.5 * kT, rel=0.02 + temperature_K / 5000)
    for axis in range(3):
        assert standard_errors(0.5 * MU * relative[:, axis] ** 2 / A, 0.5 * kT) < 4
        assert standard_errors(relative[:, axis], 0.0) < 4


def test_thermal_bond_lengths_have_the_exact_distribution(hcl_harmonic):
    positions, _ = draw(ThermalRegime(300.0), hcl_harmonic, n_replicas=20_000)
    length = (positions[:, 1] - positions[:, 0]).norm(dim=-1).sort().values.numpy()
    constants = hcl_harmonic.hamiltonian.constants
    r = np.linspace(0.8, 1.8, 200_001)
    density = r**2 * np.exp(-0.5 * constants.k_eV_per_A2 * (r - constants.r_e_A) ** 2 / KT)
    cumulative = np.cumsum(density) / density.sum()
    steps = (np.arange(20_000) + 0.5) / 20_000
    assert np.abs(np.interp(length, r, cumulative) - steps).max() * math.sqrt(20_000) < 2.0


@pytest.mark.parametrize("energy_kT", [0.0, -1.0, math.nan])
def test_bad_vibrational_energies_are_refused(hcl, energy_kT):
    with pytest.raises(ConfigError, match=r"HCl: vibrational energy .* eV must be positive"):
        draw(VibratingRegime(energy_kT), hcl)


@pytest.mark.parametrize("energy_kT", [-0.1, math.nan, math.inf])
def test_bad_rotational_energies_are_refused(energy_kT):
    with pytest.raises(ConfigError, match=rf"regime\.rotational_energy_kT = {energy_kT} must"):
        RotatingRegime(1.0, energy_kT)


@pytest.mark.parametrize("temperature_K", [0.0, -300.0, math.nan, math.inf])
def test_bad_temperatures_are_refused(temperature_K):
    with pytest.raises(ConfigError, match=rf"regime\.temperature_K = {temperature_K} must"):
        ThermalRegime(temperature_K)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf])
def test_bad_training_factors_are_refused(factor):
    with pytest.raises(ConfigError, match=rf"regime\.training_factor = {factor} must"):
        ThermalRegime(300.0, training_factor=factor)


def test_training_states_are_those_of_the_training_temperature(hcl):
    training, hot = ThermalRegime(300.0, training_factor=2.0).for_training(), ThermalRegime(600.0)
    assert all(torch.equal(a, b) for a, b in zip(draw(training, hcl), draw(hot, hcl), strict=True))
    assert training.for_training() == training


@pytest.mark.parametrize("regime", [VibratingRegime(4.0), RotatingRegime(2.0, 3.0)])
def test_regimes_of_fixed_energy_train_on_what_they_run(regime, hcl):
    assert all(torch.equal(a, b) for a, b in zip(draw(regime.for_training(), hcl), draw(regime, hcl), strict=True))


def test_an_endless_vibrational_energy_is_refused(hcl):
    for seed in range(8):  # whatever the phase
        with pytest.raises(ConfigError, match="HCl"):
            draw(VibratingRegime(math.inf), hcl, n_replicas=1, seed=seed)


def test_an_energy_above_d_e_is_refused(hcl_morse):
    with pytest.raises(ConfigError, match=r"HCl: vibrational energy 5 eV breaks the Morse bond .*hamiltonian=harmonic"):
        draw(VibratingRegime(1.0, vibrational_energy_eV=5.0), hcl_morse)


def test_an_energy_that_takes_a_harmonic_bond_through_zero_is_refused(hcl_harmonic):
    with pytest.raises(ConfigError, match=r"HCl: .* takes the harmonic bond through zero length; lower it"):
        draw(VibratingRegime(1.0, vibrational_energy_eV=40.0), hcl_harmonic)


def test_a_temperature_that_breaks_a_morse_bond_is_refused_by_its_name(hcl_morse):
    with pytest.raises(ConfigError, match=r"temperature"):
        draw(ThermalRegime(5000.0), hcl_morse)


def test_a_regime_refuses_a_system_without_modes_that_is_no_analytic_bond(hcl_harmonic):
    class Flat:
        def __init__(self, constants):
            self.constants = constants

        def energy_and_forces(self, positions):
            return positions.sum(dim=(-2, -1)) * 0, positions * 0

    system = diatomic(name="HCl", dt_fs=0.5, hamiltonian=Flat)
    for regime in (VibratingRegime(1.0), ThermalRegime(300.0)):
        with pytest.raises(ConfigError, match="HCl: this regime draws states of analytic diatomic bonds, and of"):
            draw(regime, system)
