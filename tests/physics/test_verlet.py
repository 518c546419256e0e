import math

import numpy as np
import pytest
import torch

from mlmd.hamiltonians import HarmonicBond, MorseBond
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.systems import RotatingRegime, ThermalRegime, VibratingRegime, diatomic

A = 9.648533212e-3  # A/fs^2 of 1 u under 1 eV/A
KT = 300 * 8.617333262e-5


def system(hamiltonian, dt_fs=0.5):
    return diatomic(name="HCl", dt_fs=dt_fs, hamiltonian=hamiltonian)


def reduced_mass(molecule):
    mass_1, mass_2 = molecule.masses_u
    return mass_1 * mass_2 / (mass_1 + mass_2)


def states(molecule, regime, n_replicas=3):
    return regime.draw(molecule, n_replicas, generator=torch.Generator().manual_seed(11))


def run(molecule, positions, velocities, n_steps):
    propagator = Propagator.begin(reference_dynamics(molecule), positions, velocities)
    return propagator.advance(n_steps)


def energies(molecule, trajectory):
    """Kinetic and potential energy of every frame, [replica, time], eV."""
    kinetic = 0.5 * (molecule.masses()[:, None] * trajectory.velocities.square()).sum(dim=(-2, -1)) / A
    return kinetic, molecule.hamiltonian.energy_and_forces(trajectory.positions)[0]


def stretch(molecule, trajectory):
    return (trajectory.positions[:, :, 1] - trajectory.positions[:, :, 0]).norm(
        dim=-1
    ) - molecule.hamiltonian.constants.r_e_A


@pytest.mark.parametrize("hamiltonian", [HarmonicBond, MorseBond])
def test_order_is_two(hamiltonian):
    time_fs = 24.0
    start = states(system(hamiltonian), RotatingRegime(4.0, 2.0))

    def end(dt_fs):
        n_steps = round(time_fs / dt_fs)
        last = run(system(hamiltonian, dt_fs), *start, n_steps + 1).frames(n_steps, n_steps + 1)
        return last.positions, last.velocities

    exact = end(0.01)
    steps = [0.4, 0.2, 0.1, 0.05]
    errors = np.array([[float((x - y).norm()) for x, y in zip(end(dt), exact, strict=True)] for dt in steps])
    for error in errors.T:
        slope, _ = np.polyfit(np.log(steps), np.log(error), 1)
        assert slope == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("hamiltonian", [HarmonicBond, MorseBond])
def test_turned_velocities_run_back_to_the_start(hamiltonian):
    molecule = system(hamiltonian)
    positions, velocities = states(molecule, RotatingRegime(4.0, 2.0))
    there = run(molecule, positions, velocities, 401).frames(400, 401)
    assert float((there.positions[:, 0] - positions).abs().max()) > 0.1
    back = run(molecule, there.positions[:, 0], -there.velocities[:, 0], 401).frames(400, 401)
    torch.testing.assert_close(back.positions[:, 0], positions, rtol=0, atol=1e-10)
    torch.testing.assert_close(-back.velocities[:, 0], velocities, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dt_fs", [0.25, 0.5, 1.0])
def test_energy_oscillates_by_one_eighth_of_omega_dt_squared(dt_fs):
    molecule = system(HarmonicBond, dt_fs)
    trajectory = run(molecule, *states(molecule, VibratingRegime(4.0)), 2000)
    total = sum(energies(molecule, trajectory))
    amplitude = 0.5 * (total.amax(dim=1) - total.amin(dim=1))
    expected = (2 * math.pi * dt_fs / molecule.period_fs) ** 2 / 8
    # The share is exact against the potential energy at the turning point, which itself varies by as much.
    assert (amplitude / total.mean(dim=1)).tolist() == pytest.approx([expected] * 3, rel=2.5 * expected + 1e-3)


def test_verlet_keeps_its_own_energy_of_a_harmonic_bond():
    molecule = system(HarmonicBond)
    trajectory = run(molecule, *states(molecule, VibratingRegime(4.0)), 10_000)
    kinetic, potential = energies(molecule, trajectory)
    # Exact invariant of velocity Verlet for a harmonic oscillator.
    kept = kinetic + potential * (1 - (math.pi * molecule.dt_fs / molecule.period_fs) ** 2)
    assert float((kept / kept[:, :1] - 1).abs().max()) < 1e-10
    assert float((kinetic + potential).std(dim=1).min()) > 1e-3 * float(kept.mean())


@pytest.mark.parametrize("hamiltonian", [HarmonicBond, MorseBond])
def test_energy_does_not_drift(hamiltonian):
    molecule = system(hamiltonian)
    trajectory = run(molecule, *states(molecule, RotatingRegime(2.0, 1.0)), 10_000)
    total = sum(energies(molecule, trajectory))
    amplitude = 0.5 * (total.amax(dim=1) - total.amin(dim=1))
    first, last = total[:, :2500].mean(dim=1), total[:, -2500:].mean(dim=1)
    # Means over 112 periods, good to an end effect of one oscillation over their number.
    assert float(((last - first).abs() / amplitude).max()) < 1 / 112


@pytest.mark.parametrize("dt_fs", [0.25, 0.5, 1.0])
def test_period_of_a_harmonic_bond_is_that_of_the_discrete_equation(dt_fs):
    molecule = system(HarmonicBond, dt_fs)
    trajectory = run(molecule, *states(molecule, VibratingRegime(4.0)), 2000)
    x = stretch(molecule, trajectory)
    omega_dt = 2 * math.pi * dt_fs / molecule.period_fs
    step_angle = 2 * math.asin(omega_dt / 2)  # x_{n+1} + x_{n-1} = (2 - (omega dt)^2) x_n
    # The phase after many steps, by fitting the first steps and asking at the last.
    n = torch.arange(2000, dtype=torch.float64)
    design = torch.stack((torch.cos(step_angle * n), torch.sin(step_angle * n)), dim=1)
    coefficients = torch.linalg.lstsq(design[:50], x[:, :50].mT).solution
    torch.testing.assert_close((design @ coefficients).mT, x, rtol=0, atol=1e-9)
    # The continuous frequency would be off by (omega dt)^2 / 24.
    assert step_angle / omega_dt - 1 == pytest.approx(omega_dt**2 / 24, rel=0.05)


def test_a_morse_bond_vibrates_at_its_anharmonic_frequency():
    molecule = system(MorseBond, 0.1)
    energy_eV = 1.0
    trajectory = run(molecule, *states(molecule, VibratingRegime(1.0, vibrational_energy_eV=energy_eV)), 3000)
    x = stretch(molecule, trajectory).numpy()
    times = np.arange(3000) * 0.1
    for replica in x:
        ups = np.flatnonzero((replica[:-1] < 0) & (replica[1:] >= 0))
        crossings = times[ups] - replica[ups] * 0.1 / (replica[ups + 1] - replica[ups])
        period = (crossings[-1] - crossings[0]) / (len(crossings) - 1)
        # Classical Morse oscillator: omega(E) = omega_e sqrt(1 - E / D_e); Verlet's own shift is 1e-4.
        expected = molecule.period_fs / math.sqrt(1 - energy_eV / molecule.hamiltonian.constants.D_e_eV)
        assert period == pytest.approx(expected, rel=3e-4)


@pytest.mark.parametrize("hamiltonian", [HarmonicBond, MorseBond])
def test_momenta_are_kept(hamiltonian):
    molecule = system(hamiltonian)
    positions, velocities = states(molecule, RotatingRegime(4.0, 2.0))
    boost = torch.tensor([0.002, -0.001, 0.003], dtype=torch.float64)
    trajectory = run(molecule, positions, velocities + boost, 2000)
    masses = molecule.masses()[:, None]
    linear = (masses * trajectory.velocities).sum(dim=-2)
    angular = (masses * torch.linalg.cross(trajectory.positions, trajectory.velocities)).sum(dim=-2)
    for momentum in (linear, angular):
        assert float((momentum - momentum[:, :1]).abs().max()) < 1e-11 * float(momentum.norm(dim=-1).min())


def test_a_bond_at_rest_stays_at_rest():
    molecule = system(HarmonicBond)
    positions = torch.tensor(molecule.equilibrium_A, dtype=torch.float64).unsqueeze(0)
    trajectory = run(molecule, positions, torch.zeros_like(positions), 100)
    torch.testing.assert_close(trajectory.positions, positions.unsqueeze(1).expand(1, 100, 2, 3), rtol=0, atol=1e-12)


def test_equipartition_survives_propagation():
    molecule = system(HarmonicBond)
    n = 4000
    trajectory = run(molecule, *states(molecule, ThermalRegime(300.0), n), 201)
    last = trajectory.frames(200, 201)
    relative = (last.velocities[:, 0, 1] - last.velocities[:, 0, 0]).square().sum(dim=-1)
    kinetic = 0.5 * reduced_mass(molecule) * relative / A
    # Four standard errors, and Verlet's own (omega dt)^2 / 8 for the vibration.
    error = 4 * float(kinetic.std()) / math.sqrt(n) + 0.01 * KT
    assert float(kinetic.mean()) == pytest.approx(1.5 * KT, abs=error)
