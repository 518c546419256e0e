"""Systems made by a level of theory: molecules, and diatomics of the table."""

import dataclasses
import functools

import ase.build
import ase.io
import numpy as np
import pytest
import torch
from planted_methods import LINE, WATER, Morse, Springs

from mlmd.data.generation import _numbers
from mlmd.errors import ConfigError, DataError
from mlmd.hamiltonians import BondConstants, HarmonicBond, MorseBond
from mlmd.systems import custom_diatomic, diatomic, diatomic_record, molecule

make = functools.partial(molecule, name="H2O", hamiltonian=Springs(), cache=None)
RECORD = diatomic_record("HCl")
BOND = BondConstants("HCl", RECORD.k_eV_per_A2, 1.3, 4.6)
"""As HCl's, but longer: whatever the method says of the length counts."""


def test_a_molecule_counts_its_energy_from_the_minimum():
    water = make()
    energy, forces = water.hamiltonian.energy_and_forces(torch.tensor([water.equilibrium_A], dtype=torch.float64))
    assert float(energy[0]) == pytest.approx(0.0, abs=1e-12)
    assert float(forces.abs().max()) < 1e-4
    assert (water.name, water.symbols, water.masses_u) == ("H2O", ("O", "H", "H"), (15.999, 1.008, 1.008))
    assert water.modes.n_modes == 3
    assert water.period_fs == pytest.approx(33356.40952 / water.modes.wavenumbers_cm1[-1])
    assert water.slowest_period_fs == pytest.approx(33356.40952 / water.modes.wavenumbers_cm1[0])


def test_the_time_step_is_a_twenty_second_of_the_fastest_period():
    water = make()
    assert water.dt_fs == pytest.approx(np.floor(water.period_fs / 22 / 0.05) * 0.05, rel=1e-12)
    assert make(dt_fs=0.3).dt_fs == 0.3
    with pytest.raises(ConfigError, match=r"dt_fs = 2\.0 is too coarse for H2O"):
        make(dt_fs=2.0)


def test_everyday_names_and_heavier_masses():
    heavy = make(name="water", masses_u=[15.999, 2.014, 2.014])
    assert (heavy.name, heavy.masses_u) == ("water", (15.999, 2.014, 2.014))
    assert heavy.modes.wavenumbers_cm1[-1] < 0.8 * make().modes.wavenumbers_cm1[-1]


@pytest.mark.parametrize("masses", [[1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, float("nan")]])
def test_bad_masses_are_refused_before_anything_is_computed(masses):
    method = Springs()
    with pytest.raises(ConfigError, match=r"system H2O: .*masses_u"):
        make(masses_u=masses, hamiltonian=method)
    assert method.calls == []


def test_a_structure_file_gives_the_molecule(tmp_path):
    atoms = ase.build.molecule("H2O")
    atoms.rotate(40, (1, 2, 3))
    atoms.translate((5, 5, 5))
    ase.io.write(tmp_path / "mine.xyz", atoms)
    mine = make(name="mine", structure=str(tmp_path / "mine.xyz"))
    assert (mine.name, mine.symbols) == ("mine", ("O", "H", "H"))
    assert mine.modes.wavenumbers_cm1 == pytest.approx(make().modes.wavenumbers_cm1, abs=0.05)
    with pytest.raises(DataError, match=r"cannot read .*none\.xyz"):
        make(name="mine", structure=str(tmp_path / "none.xyz"))


@pytest.mark.parametrize("bond", [HarmonicBond, functools.partial(MorseBond)])
def test_an_analytic_bond_is_no_method(bond):
    with pytest.raises(ConfigError, match=r"system H2O: \w+Bond is an analytic bond .* such as hamiltonian=gfn2"):
        make(hamiltonian=bond)


@pytest.mark.parametrize("custom", [False, True])
def test_a_diatomic_takes_a_method_as_well(custom):
    method = Morse(BOND)
    common = {"name": "HCl", "dt_fs": 0.5, "hamiltonian": method, "cache": None}
    if custom:
        atoms = {"symbols": ("H", "Cl"), "masses_u": RECORD.masses_u, "omega_e_cm1": 2990.946, "r_e_A": RECORD.r_e_A}
        system = custom_diatomic(**common, **atoms)
    else:
        system = diatomic(**common)
    assert (system.symbols, system.masses_u, system.dt_fs) == (("H", "Cl"), RECORD.masses_u, 0.5)
    assert method.calls[0][1, 2] - method.calls[0][0, 2] == pytest.approx(RECORD.r_e_A)
    first, second = np.array(system.equilibrium_A)
    assert second - first == pytest.approx([0.0, 0.0, 1.3], abs=5e-6)
    assert (system.modes.n_modes, system.modes.is_linear) == (1, True)
    vector = np.array(system.modes.vectors[0])
    assert vector[0, 2] < 0 < vector[1, 2], "positive is longer"
    assert system.period_fs == pytest.approx(RECORD.period_fs, rel=2e-4)


def test_deuterium_is_hydrogen_to_a_calculator():
    seen = []

    class Listening(Morse):
        def single_point(self, symbols):
            seen.append(symbols)
            return super().single_point(symbols)

    atoms = {"symbols": ("D", "Cl"), "masses_u": (2.014, 34.969), "omega_e_cm1": 2145.0, "r_e_A": 1.2746}
    system = custom_diatomic(name="DCl", dt_fs=0.5, hamiltonian=Listening(BOND), cache=None, **atoms)
    assert set(seen) == {("H", "Cl")}
    assert (system.symbols, system.masses_u) == (("D", "Cl"), (2.014, 34.969))


def test_reference_data_of_other_molecules_and_methods_have_different_files(tmp_path):
    water = make()
    systems = [
        water,
        make(masses_u=[15.999, 2.014, 1.008]),
        make(dt_fs=0.3),
        make(hamiltonian=Springs((*WATER[:2], (1, 2, 1.52, 13.0)))),
        make(name="CO2", hamiltonian=Springs(LINE)),
        dataclasses.replace(water, equilibrium_A=(*water.equilibrium_A[:2], (0.0, 0.0, 1.0))),
        diatomic(name="HCl", dt_fs=0.5, hamiltonian=HarmonicBond),
    ]
    numbers = [_numbers(system) for system in systems]
    assert all(numbers.count(entry) == 1 for entry in numbers)
    assert _numbers(make()) == numbers[0]
