import io

import numpy as np
import pytest
from ase import units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.io import read
from ase.io.trajectory import Trajectory
from ase.md import MDLogger
from ase.md.verlet import VelocityVerlet


def test_observers_are_called_at_every_step_of_their_interval(atoms, exact, make_dynamics):
    dynamics = make_dynamics(exact)
    seen = []
    dynamics.attach(lambda word: seen.append((word, dynamics.nsteps)), 10, "every tenth")
    dynamics.attach(lambda word: seen.append((word, dynamics.nsteps)), -25, word="once")
    dynamics.run(20)
    dynamics.run(10)
    assert seen == [("every tenth", 0), ("every tenth", 10), ("every tenth", 20), ("once", 25), ("every tenth", 30)]


def test_irun_gives_the_steps_one_by_one(atoms, exact, make_dynamics):
    dynamics = make_dynamics(exact)
    last = [(dynamics.nsteps, is_last) for is_last in dynamics.irun(3)]
    assert last == [(0, False), (1, False), (2, False), (3, True)]
    assert dynamics.get_time() == pytest.approx(1.5 * units.fs)
    assert [dynamics.nsteps for _ in dynamics.irun(0)] == [3]


def test_a_trajectory_file_reads_back(atoms, exact, make_dynamics, tmp_path):
    path = tmp_path / "hcl.traj"
    dynamics = make_dynamics(exact, trajectory=path, loginterval=5)
    seen = []
    dynamics.attach(lambda: seen.append(atoms.copy()), 5)
    dynamics.run(60)
    n_calculations = atoms.calc.n_calculations
    frames = read(path, ":")
    assert len(frames) == 13
    for frame, other in zip(frames, seen, strict=True):
        assert np.array_equal(frame.positions, other.positions)
        assert np.array_equal(frame.get_momenta(), other.get_momenta())
        assert np.array_equal(frame.get_masses(), other.get_masses())
    assert frames[3].get_potential_energy() >= 0.0  # step 15, Hamiltonian
    with pytest.raises((PropertyNotImplementedError, RuntimeError)):
        frames[5].get_potential_energy()  # step 25, learned: nobody knows it, and nobody asked
    assert n_calculations == dynamics.n_warmup_calls + dynamics.n_force_calls == 20 + 4
    with Trajectory(path) as trajectory:
        assert trajectory.description["md-type"] == "MLMD"


def test_a_trajectory_file_can_be_appended_to(atoms, exact, make_dynamics, tmp_path):
    path = tmp_path / "hcl.traj"
    make_dynamics(exact, trajectory=path).run(5)
    make_dynamics(exact, trajectory=path, append_trajectory=True).run(5)
    assert len(read(path, ":")) == 12


def test_a_logfile_is_that_of_velocity_verlet_and_its_energies_are_calls_of_its_own(
    atoms, make_atoms, hcl_harmonic, exact, make_dynamics, tmp_path
):
    with make_dynamics(exact, logfile=str(tmp_path / "ours"), loginterval=7) as dynamics:
        dynamics.run(70)
    with VelocityVerlet(
        make_atoms(hcl_harmonic), 0.5 * units.fs, logfile=str(tmp_path / "theirs"), loginterval=7
    ) as verlet:
        verlet.run(70)
    ours, theirs = (np.loadtxt(tmp_path / name, skiprows=1) for name in ("ours", "theirs"))
    assert ours.shape == (11, 5)
    np.testing.assert_allclose(ours, theirs, atol=1.01e-4)
    # Steps 0, 7, 14 and 49 have forces of ours.
    assert atoms.calc.n_calculations == dynamics.n_warmup_calls + dynamics.n_force_calls + 7


def test_a_logger_at_force_calls_costs_none(atoms, exact, make_dynamics):
    dynamics, text = make_dynamics(exact), io.StringIO()
    dynamics.attach_at_force_calls(MDLogger(dynamics, atoms, text, header=False))
    dynamics.run(70)
    assert atoms.calc.n_calculations == dynamics.n_warmup_calls + dynamics.n_force_calls == 25
    times_ps = np.loadtxt(io.StringIO(text.getvalue()))[:, 0]
    np.testing.assert_allclose(times_ps / 0.0005, [*range(20), 29, 39, 49, 59, 69], atol=0.1)


def test_an_object_that_writes_can_be_attached_at_force_calls(atoms, exact, make_dynamics, tmp_path):
    dynamics = make_dynamics(exact)
    with Trajectory(tmp_path / "forces.traj", "w", atoms) as trajectory:
        dynamics.attach_at_force_calls(trajectory)
        dynamics.run(40)
    frames = read(tmp_path / "forces.traj", ":")
    assert len(frames) == 22
    assert all(np.isfinite(frame.get_forces()).all() for frame in frames)


def test_on_step_velocities_are_those_of_central_differences(atoms, exact, make_dynamics):
    """v_n = (r_{n+1} - r_{n-1}) / (2 dt), in Verlet exactly; half-step velocities would be off by dt F / 2 m."""
    positions, velocities = [], []
    dynamics = make_dynamics(exact)
    dynamics.attach(lambda: positions.append(atoms.get_positions()))
    dynamics.attach(lambda: velocities.append(atoms.get_velocities()))
    dynamics.run(100)
    central = (np.array(positions)[2:] - np.array(positions)[:-2]) / (2 * dynamics.dt)
    np.testing.assert_allclose(np.array(velocities)[1:-1], central, rtol=0, atol=1e-11)
