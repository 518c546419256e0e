"""Charge and spin of a structure file, of a table or of the user reach the calculation, or a difference is refused."""

import ase.io
import numpy as np
import pytest
from ase import Atoms

from mlmd.errors import CalculatorError, ConfigError, DataError
from mlmd.hamiltonians import AseMethod, Electrons, PySCF, Tblite, require_gradient
from mlmd.systems import diatomic
from mlmd.systems.molecule import molecule
from mlmd.systems.structure import known_structure, read_structure
from mlmd.systems.table import diatomic_table

TRIPLETS = {"O2", "S2", "SO", "NH"}
RADICALS = {"NO", "OH", "CH", "CN"}


def tblite_of_ase():
    return AseMethod("tblite.ase.TBLite", {"verbosity": 0})


def hydroxide(path, **info):
    """OH- at GFN2-xTB's bond length, roughly; the file says what ``info`` says."""
    atoms = Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.97]])
    charges = info.pop("initial_charges", None)
    moments = info.pop("initial_magmoms", None)
    if charges is not None:
        atoms.set_initial_charges(charges)
    if moments is not None:
        atoms.set_initial_magnetic_moments(moments)
    atoms.info |= info
    ase.io.write(path, atoms)
    return str(path)


@pytest.mark.parametrize("make", [Tblite, tblite_of_ase])
@pytest.mark.parametrize(
    "info",
    [
        {"charge": -1, "spin": 1, "initial_charges": [-1, 0]},
        {"charge": -1, "spin": 1},
        {"charge": -1},
        {"initial_charges": [-0.8, -0.2]},
    ],
)
def test_the_charge_of_a_file_reaches_the_calculation(tmp_path, make, info):
    path = hydroxide(tmp_path / "oh.extxyz", **info)
    system = molecule(name="OH", hamiltonian=make(), structure=path, cache=None)
    # As computed by tblite alone for OH-; the neutral radical has 3576 cm^-1.
    assert system.modes.wavenumbers_cm1 == pytest.approx((3397.9,), abs=0.2)
    assert system.hamiltonian.energy_zero_eV == pytest.approx(-127.3947, abs=1e-4)


@pytest.mark.parametrize("name", sorted(diatomic_table()))
def test_the_table_knows_ground_states(name):
    expected = 2 if name in TRIPLETS else 1 if name in RADICALS else 0
    assert diatomic_table()[name].n_unpaired == expected


@pytest.mark.parametrize(("given", "expected"), [(None, 2), (0, 0), (2, 2)])
def test_oxygen_is_a_triplet_where_the_user_says_nothing_else(given, expected):
    system = diatomic(name="O2", dt_fs=0.5, hamiltonian=Tblite(n_unpaired=given), cache=None)
    assert system.hamiltonian.method.n_unpaired == expected


@pytest.mark.parametrize("make", [tblite_of_ase, lambda: Tblite(accuracy=1.0)])
def test_the_triplet_is_that_of_the_same_method_elsewhere(make):
    system = diatomic(name="O2", dt_fs=0.5, hamiltonian=make(), cache=None)
    assert system.modes.wavenumbers_cm1 == pytest.approx((1629.2,), abs=0.5)


@pytest.mark.parametrize(("name", "n_unpaired"), [("O2", 2), ("NO", 1), ("CH3", 1), ("H2O", 0)])
def test_the_database_of_ase_knows_ground_states(name, n_unpaired):
    electrons = known_structure(name).electrons
    assert (electrons.charge, electrons.n_unpaired) == (0, n_unpaired)


@pytest.mark.parametrize("make", [Tblite, PySCF])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"charge": 0}, r"oh\.extxyz has charge -1, but .* has hamiltonian\.charge = 0; leave hamiltonian\.charge out"),
        ({"n_unpaired": 2}, r"oh\.extxyz has n_unpaired 0, but .* has hamiltonian\.n_unpaired = 2"),
    ],
)
def test_a_difference_to_the_file_is_refused(tmp_path, make, given, words):
    path = hydroxide(tmp_path / "oh.extxyz", charge=-1, spin=1)
    with pytest.raises(ConfigError, match=words):
        molecule(name="OH", hamiltonian=make(**given), structure=path, cache=None)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"charge": -1, "initial_charges": [0, 0]}, "initial charges of its atoms sum to 0, but its charge is -1"),
        ({"initial_charges": [0.2, 0.1]}, r"initial charges of its atoms sum to 0\.3, which is not whole"),
        ({"charge": 0.5}, r"charge = 0\.5 must be a whole number"),
        ({"spin": 0}, r"spin = 0 must be the multiplicity 2S \+ 1"),
        ({"spin": 3, "initial_magmoms": [1, 0]}, "magnetic moments of its atoms sum to 1, but its spin is 2"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path, info, words):
    with pytest.raises(DataError, match=words):
        read_structure(hydroxide(tmp_path / "oh.extxyz", **info))


def test_an_impossible_spin_of_a_file_is_refused(tmp_path):
    path = hydroxide(tmp_path / "oh.extxyz", charge=-1, spin=2)
    with pytest.raises(ConfigError, match="cannot have 1 unpaired"):
        molecule(name="OH", hamiltonian=Tblite(), structure=path, cache=None)


def test_what_atoms_carry_is_what_calculators_of_ase_look_for():
    method = tblite_of_ase().for_electrons(Electrons(charge=-1, n_unpaired=2), ("O", "O"))
    atoms = method.single_point(("O", "O")).atoms
    assert (atoms.info["charge"], atoms.info["spin"]) == (-1, 3)
    assert atoms.get_initial_charges().sum() == -1
    assert atoms.get_initial_magnetic_moments().sum() == 2


def test_forces_of_smeared_occupations_belong_to_the_free_energy():
    system = diatomic(name="HCl", dt_fs=0.5, hamiltonian=AseMethod("planted_calculators.SmearedMorse"), cache=None)
    stretched = np.array(system.equilibrium_A)
    stretched[1, 2] += 0.2
    energy, forces = system.hamiltonian.method.single_point(("H", "Cl"))(stretched)
    assert energy == pytest.approx(0.4488, abs=1e-4)
    left = np.exp(-1.868 * 0.2)
    assert forces[1, 2] == pytest.approx(-2 * 4.6174 * 1.868 * (1 - left) * left, rel=1e-4)


def test_forces_that_are_no_gradient_of_the_energy_are_refused():
    method = AseMethod("planted_calculators.SmearedMorse", {"gives_free_energy": False})
    with pytest.raises(CalculatorError, match="forces of SmearedMorse are not minus the gradient of its energy"):
        diatomic(name="HCl", dt_fs=0.5, hamiltonian=method, cache=None)


def test_forces_of_a_sound_calculator_are_taken():
    water = known_structure("H2O")
    require_gradient(tblite_of_ase(), water.symbols, water.positions)
