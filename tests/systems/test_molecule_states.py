"""Initial states of molecules in normal modes, on potentials that are known on paper."""

import math

import pytest
import torch
from planted_methods import LINE, WATER, Morse, Springs

from mlmd.errors import ConfigError
from mlmd.hamiltonians import BondConstants, MorseBond
from mlmd.systems import RotatingRegime, ThermalRegime, VibratingRegime, diatomic, diatomic_record, molecule

A = 9.648533212e-3
KT = 300 * 8.617333262e-5
RECORD = diatomic_record("HCl")


@pytest.fixture(scope="module")
def water():
    return molecule(name="H2O", hamiltonian=Springs(WATER), cache=None)


@pytest.fixture(scope="module")
def line():
    return molecule(name="CO2", hamiltonian=Springs(LINE), cache=None)


@pytest.fixture(scope="module")
def pair():
    constants = BondConstants("HCl", RECORD.k_eV_per_A2, RECORD.r_e_A, RECORD.D_e_eV)
    return diatomic(name="HCl", dt_fs=0.5, hamiltonian=Morse(constants), cache=None)


@pytest.fixture(params=["water", "line", "pair"])
def system(request):
    return request.getfixturevalue(request.param)


def draw(regime, system, n_replicas=60, seed=5):
    return regime.draw(system, n_replicas, generator=torch.Generator().manual_seed(seed))


def energies(system, positions, velocities):
    """Potential and kinetic energy, eV."""
    kinetic = 0.5 / A * (system.masses()[:, None] * velocities.square()).sum(dim=(-2, -1))
    return system.hamiltonian.energy_and_forces(positions)[0], kinetic


def angular_momentum(system, positions, velocities):
    return (system.masses()[:, None] * torch.linalg.cross(positions, velocities)).sum(dim=-2)


def inertia(system, positions):
    squares = torch.einsum("a,rai,raj->rij", system.masses(), positions, positions)
    trace = squares.diagonal(dim1=-2, dim2=-1).sum(-1)
    return trace[:, None, None] * torch.eye(3, dtype=torch.float64) - squares


def distance_of_samples(first, second):
    """Kolmogorov-Smirnov distance of two samples of one size n, times sqrt(n/2): above 2 with a chance of 7e-4."""
    grid = torch.cat((first, second)).sort().values
    counts = [torch.searchsorted(sample.sort().values, grid, right=True) for sample in (first, second)]
    return float((counts[0] - counts[1]).abs().max()) / math.sqrt(2 * len(first))


REGIMES = [VibratingRegime(4.0), RotatingRegime(2.0, 3.0), ThermalRegime(300.0)]


@pytest.mark.parametrize("regime", REGIMES, ids=["vibrating", "rotating", "thermal"])
class TestEveryRegime:
    def test_centre_of_mass_is_at_rest_at_the_origin(self, regime, system):
        for vectors in draw(regime, system):
            assert vectors.shape == (60, system.n_atoms, 3)
            assert vectors.dtype == torch.float64
            assert float((system.masses()[:, None] * vectors).sum(dim=-2).abs().max()) < 1e-13

    def test_a_seed_names_the_states(self, regime, system):
        first, again, other = draw(regime, system), draw(regime, system), draw(regime, system, seed=6)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))

    def test_orientations_are_uniform(self, regime, system):
        positions, _ = draw(regime, system, n_replicas=400)
        axis = torch.nn.functional.normalize(positions[:, 1] - positions[:, 0], dim=-1)
        error = 4 / math.sqrt(400)
        assert axis.mean(dim=0).tolist() == pytest.approx([0.0] * 3, abs=error / math.sqrt(3))
        assert axis.square().mean(dim=0).tolist() == pytest.approx([1 / 3] * 3, abs=error * math.sqrt(4 / 45))


@pytest.mark.parametrize("energy_kT", [0.1, 4.0, 10.0])
def test_vibrating_has_its_energy_on_the_true_potential_and_no_angular_momentum(system, energy_kT):
    states = draw(VibratingRegime(energy_kT), system)
    potential, kinetic = energies(system, *states)
    assert (potential + kinetic).tolist() == pytest.approx([energy_kT * KT] * 60, rel=2e-6)
    speeds = float(states[1].abs().max()) * float(system.masses().max())
    assert float(angular_momentum(system, *states).abs().max()) < 1e-12 * speeds


def test_vibrating_energy_is_shared_equally_in_the_harmonic_limit(water):
    """Far below kT, mode by mode; the molecule is turned back by its own frame first."""
    positions, velocities = draw(VibratingRegime(1e-3), water, n_replicas=100)
    rest = torch.tensor(water.equilibrium_A, dtype=torch.float64)
    roots = water.masses().sqrt()[:, None]
    left, _, right = torch.linalg.svd(torch.einsum("a,rai,aj->rij", water.masses(), positions, rest))
    # Three atoms lie in a plane: the sign of its normal is free, and a rotation has determinant 1.
    left[:, :, 2] *= torch.linalg.det(left @ right)[:, None]
    turn = left @ right
    vectors = torch.tensor(water.modes.vectors, dtype=torch.float64)
    coordinates = torch.einsum("rai,kai->rk", roots * (positions @ turn - rest), vectors)
    rates = torch.einsum("rai,kai->rk", roots * (velocities @ turn), vectors)
    omega = torch.tensor([2 * math.pi / water.modes.period_fs(mode) for mode in range(3)])
    shares = 0.5 / A * (rates.square() + (omega * coordinates).square())
    assert shares.flatten().tolist() == pytest.approx([1e-3 * KT / 3] * 300, rel=0.03)
    phase = torch.atan2(rates, omega * coordinates)
    assert phase.cos().mean(dim=0).abs().max() < 4 / math.sqrt(200)
    assert (phase[:, :1] - phase[:, 1:]).cos().mean(dim=0).abs().max() < 4 / math.sqrt(200)


def test_the_bends_of_a_linear_molecule_swing_in_a_plane(line):
    positions, velocities = draw(VibratingRegime(4.0), line)
    normal = torch.linalg.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0])
    normal = torch.nn.functional.normalize(normal, dim=-1)
    across = (velocities * normal[:, None]).sum(dim=-1)
    assert float(across.abs().max()) < 1e-9 * float(velocities.abs().max())
    assert float(velocities.norm(dim=-1).amin(dim=-1).max()) > 1e-4


@pytest.mark.parametrize("rotational_kT", [0.5, 3.0])
def test_rotating_has_the_angular_momentum_of_its_energy(system, rotational_kT):
    positions, velocities = draw(RotatingRegime(2.0, rotational_kT), system)
    momentum = angular_momentum(system, positions, velocities)
    potential, kinetic = energies(system, positions, velocities)
    turning = torch.linalg.pinv(inertia(system, positions), hermitian=True, rtol=1e-9) @ momentum[:, :, None]
    rotational = 0.5 / A * (turning[:, :, 0] * momentum).sum(-1)
    assert (potential + kinetic - rotational).tolist() == pytest.approx([2.0 * KT] * 60, rel=1e-5)
    # What it is worth at equilibrium, less what the displaced molecule makes of it.
    assert float(rotational.mean()) == pytest.approx(rotational_kT * KT, rel=0.1)
    if system.modes.is_linear:
        across = float(inertia(system, torch.tensor([system.equilibrium_A], dtype=torch.float64))[0, 0, 0])
        expected = math.sqrt(2 * across * rotational_kT * KT * A)
        assert momentum.norm(dim=-1).tolist() == pytest.approx([expected] * 60, rel=1e-9)
    assert float(momentum.mean(dim=0).norm() / momentum.norm(dim=-1).mean()) < 4 / math.sqrt(60)


def test_thermal_energies_follow_equipartition(system):
    n = 1000
    potential, kinetic = energies(system, *draw(ThermalRegime(300.0), system, n_replicas=n))

    def standard_errors(values, expected):
        return abs(float(values.mean()) - expected) / (float(values.std()) / math.sqrt(n))

    assert standard_errors(kinetic, 0.5 * (3 * system.n_atoms - 3) * KT) < 4
    # kT/2 a mode; 300 K is harmonic for springs within some per cent.
    assert float(potential.mean()) == pytest.approx(0.5 * system.modes.n_modes * KT, rel=0.06)
    assert standard_errors(potential, 0.5 * system.modes.n_modes * KT) < 6


def test_thermal_bond_lengths_are_those_of_the_analytic_bond(pair):
    """At 1500 K, where the Morse bond is far from harmonic and r^2 counts."""
    analytic = diatomic(name="HCl", dt_fs=0.5, hamiltonian=MorseBond)
    lengths = [
        (positions[:, 1] - positions[:, 0]).norm(dim=-1)
        for positions, _ in (draw(ThermalRegime(1500.0), molecule, n_replicas=2000) for molecule in (pair, analytic))
    ]
    assert distance_of_samples(*lengths) < 2.0
    harmonic = pair.modes.period_fs(0)  # the plain harmonic draw, which must be told apart by this test
    reduced = RECORD.masses_u[0] * RECORD.masses_u[1] / sum(RECORD.masses_u)
    spread = math.sqrt(5 * KT * A / reduced) * harmonic / (2 * math.pi)
    plain = RECORD.r_e_A + spread * torch.randn(2000, generator=torch.Generator().manual_seed(1))
    assert distance_of_samples(plain, lengths[1]) > 2.5


def test_training_states_are_those_of_the_training_temperature(water):
    training, hot = ThermalRegime(300.0, training_factor=2.0).for_training(), ThermalRegime(600.0)
    assert all(torch.equal(a, b) for a, b in zip(draw(training, water), draw(hot, water), strict=True))


@pytest.mark.parametrize("energy_kT", [0.0, -1.0, math.nan, math.inf])
def test_bad_vibrational_energies_are_refused(water, energy_kT):
    with pytest.raises(ConfigError, match=r"H2O: vibrational energy .* eV must be positive"):
        draw(VibratingRegime(energy_kT), water)


def test_an_energy_that_the_molecule_cannot_hold_is_refused(pair):
    with pytest.raises(ConfigError, match=r"HCl: .* eV of potential energy is more than its modes hold; lower"):
        draw(VibratingRegime(1.0, vibrational_energy_eV=6.0), pair)


def test_states_of_two_atoms_agree_with_the_analytic_bond(pair):
    """The method's Morse bond and the analytic one: the same distribution of lengths and speeds."""
    analytic = diatomic(name="HCl", dt_fs=0.5, hamiltonian=MorseBond)
    drawn = [draw(RotatingRegime(10.0, 2.0), system, n_replicas=2000) for system in (pair, analytic)]
    bonds = [positions[:, 1] - positions[:, 0] for positions, _ in drawn]
    assert distance_of_samples(*(bond.norm(dim=-1) for bond in bonds)) < 2.0
    assert distance_of_samples(*((v[:, 1] - v[:, 0]).norm(dim=-1) for _, v in drawn)) < 2.0
