import re

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter

from mlmd.ase import MLMD, load_predictor
from mlmd.errors import CalculatorError, ConfigError, DataError, MismatchError, PhysicsError
from mlmd.propagation import DivergenceGuard, EnergyAnchor, Injection, Periodic


def refused(kind, words):
    return pytest.raises(kind, match=re.escape(words))


def test_atoms_without_a_calculator_are_refused(atoms, exact):
    atoms.calc = None
    with refused(ConfigError, "set atoms.calc first"):
        MLMD(atoms, 0.5 * units.fs, exact)


def test_constraints_are_refused(atoms, exact):
    atoms.set_constraint(FixAtoms([0]))
    with refused(ConfigError, "constraints (FixAtoms)"):
        MLMD(atoms, 0.5 * units.fs, exact)


def test_periodic_atoms_are_refused(atoms, exact):
    atoms.pbc = [False, False, True]
    with refused(ConfigError, "the atoms are periodic"):
        MLMD(atoms, 0.5 * units.fs, exact)


def test_filters_are_refused(atoms, exact):
    with refused(ConfigError, "not FrechetCellFilter"):
        MLMD(FrechetCellFilter(atoms), 0.5 * units.fs, exact)


def test_masses_that_are_not_positive_are_refused(atoms):
    atoms.set_masses([0.0, 35.0])
    with refused(ConfigError, "must all be positive"):
        MLMD(atoms, 0.5 * units.fs, None)


def test_another_time_step_is_refused(atoms, exact):
    with refused(MismatchError, "timestep is 1 fs (in ASE's unit of time): use timestep=0.5 * ase.units.fs"):
        MLMD(atoms, 1.0 * units.fs, exact)


def test_a_time_step_in_femtoseconds_is_refused(atoms, exact):
    with refused(MismatchError, "timestep is 5.09"):
        MLMD(atoms, 0.5, exact)


@pytest.mark.parametrize("timestep", [0.0, -1.0, float("nan")])
def test_a_time_step_that_is_not_positive_is_refused(atoms, timestep):
    with refused(ConfigError, "must be positive"):
        MLMD(atoms, timestep, None)


def test_other_elements_are_refused(exact):
    atoms = Atoms("HBr", [[0.0, 0.0, 0.0], [0.0, 0.0, 1.4]], calculator=LennardJones())
    with refused(MismatchError, "the predictor has learned HCl (H, Cl), the atoms are H, Br"):
        MLMD(atoms, 0.5 * units.fs, exact)


def test_more_atoms_are_refused(exact):
    atoms = Atoms("HClH", np.eye(3), calculator=LennardJones())
    with refused(MismatchError, "the atoms are H, Cl, H"):
        MLMD(atoms, 0.5 * units.fs, exact)


def test_another_order_of_atoms_is_refused(atoms, exact):
    turned = atoms[[1, 0]]
    turned.calc = atoms.calc
    with refused(MismatchError, "in this order, the atoms are Cl, H: reorder them"):
        MLMD(turned, 0.5 * units.fs, exact)


def test_other_masses_and_the_cure(atoms, exact):
    atoms.set_masses("defaults")
    with refused(MismatchError, "use atoms.set_masses([") as caught:
        MLMD(atoms, 0.5 * units.fs, exact)
    masses = re.search(r"set_masses\((\[.*?\])\)", str(caught.value)).group(1)
    atoms.set_masses([float(mass) for mass in masses[1:-1].split(",")])
    MLMD(atoms, 0.5 * units.fs, exact)


def test_an_early_start_of_ml_is_refused(atoms, exact):
    with refused(ConfigError, "start_step = 3 is too early"):
        MLMD(atoms, 0.5 * units.fs, exact, start_step=3)


def test_a_frequency_out_of_range_is_refused(atoms, exact):
    with refused(ConfigError, "must lie in [0, 1]"):
        MLMD(atoms, 0.5 * units.fs, exact, injection=1.5)


def test_an_anchor_without_its_zero_of_energy_is_refused(atoms, exact):
    with refused(ConfigError, "set energy_zero_eV"):
        MLMD(atoms, 0.5 * units.fs, exact, injection=Injection(Periodic(0.1), EnergyAnchor()))


def test_a_missing_predictor_is_refused(atoms, tmp_path):
    for path in (tmp_path / "none.ckpt", str(tmp_path)):
        with pytest.raises(DataError):
            MLMD(atoms, 0.5 * units.fs, path)
        with pytest.raises(DataError):
            load_predictor(path)


def test_an_unknown_argument_is_refused(atoms, exact):
    with pytest.raises(TypeError, match="frequency"):
        MLMD(atoms, 0.5 * units.fs, exact, frequency=0.1)


@pytest.mark.parametrize("change", ["masses", "elements", "pbc"])
def test_atoms_that_change_between_runs_are_refused(atoms, exact, make_dynamics, change):
    dynamics = make_dynamics(exact)
    dynamics.run(30)
    if change == "pbc":
        atoms.pbc = True
    elif change == "masses":
        atoms.set_masses([2.0, 35.0])
    else:
        atoms.symbols[0] = "Li"
    with refused(ConfigError, "periodic" if change == "pbc" else "make a new one"):
        dynamics.run(1)


def test_forces_that_are_not_numbers_leave_the_atoms_at_the_step_before(atoms, exact, make_dynamics):
    dynamics = make_dynamics(exact)
    dynamics.run(25)
    left = atoms.get_positions(), atoms.get_momenta()

    class Broken:
        def energy_and_forces(self, positions):
            energy, forces = sound.energy_and_forces(positions)
            return energy, forces * torch.nan

    sound, atoms.calc.hamiltonian = atoms.calc.hamiltonian, Broken()
    with refused(CalculatorError, "OurCalculator gives energies or forces that are not numbers"):
        dynamics.run(10)
    assert dynamics.nsteps == 28  # the injection of step 29 failed
    assert not np.array_equal(atoms.positions, left[0])
    atoms.calc.hamiltonian = sound
    atoms.calc.reset()
    dynamics.run(12)
    assert dynamics.nsteps == 40
    assert (dynamics.n_warmup_calls, dynamics.n_force_calls) == (20, 2)  # it went on as if nothing had happened


def test_an_error_of_the_calculator_passes(atoms, exact, make_dynamics):
    class NotConvergedError(Exception):
        pass

    def calculate(*args, **kwargs):
        raise NotConvergedError

    atoms.calc.calculate = calculate
    left = atoms.get_positions()
    with pytest.raises(NotConvergedError):
        make_dynamics(exact).run(1)
    assert np.array_equal(atoms.positions, left)


def test_a_molecule_that_leaves_its_shape(atoms, exact, make_dynamics):
    class Pushing(type(exact)):
        def predict(self, frame, positions, velocities, state):
            prediction = super().predict(frame, positions, velocities, state)
            return None if prediction is None else prediction + 0.05

    pushing = Pushing(exact.spec).double()
    pushing.load_state_dict(exact.state_dict())
    dynamics = make_dynamics(pushing, injection=0.0, guard=DivergenceGuard(check_every=10))
    with refused(PhysicsError, "has left its shape after step"):
        dynamics.run(500)
    assert 20 < dynamics.nsteps < 500
    assert np.isfinite(atoms.positions).all()
    with refused(PhysicsError, "has left its shape"):
        dynamics.run(1)
    assert atoms.calc.n_calculations == 20
