import ase.build
import ase.io
import numpy as np
import pytest
from ase.constraints import FixAtoms

from mlmd.errors import ConfigError, DataError
from mlmd.systems.structure import COMMON_NAMES, known_structure, read_structure


@pytest.fixture
def water():
    return ase.build.molecule("H2O")


def refusal(path) -> str:
    with pytest.raises(DataError) as error:
        read_structure(str(path))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", sorted(COMMON_NAMES))
def test_everyday_names_are_molecules_of_ase(name):
    assert known_structure(name).symbols == known_structure(COMMON_NAMES[name]).symbols


def test_a_known_molecule_has_the_geometry_and_masses_of_ase(water):
    structure = known_structure("H2O")
    assert structure.symbols == ("O", "H", "H")
    assert structure.masses_u == (15.999, 1.008, 1.008)
    assert np.array_equal(structure.positions, water.positions)


@pytest.mark.parametrize(("name", "near"), [("h2o", "H2O"), ("etanol", "ethanol")])
def test_the_error_for_an_unknown_name_offers_the_nearest(name, near):
    with pytest.raises(ConfigError, match=f"unknown molecule '{name}': did you mean .*'{near}'"):
        known_structure(name)


def test_the_error_for_a_name_near_to_none_is_one_short_line():
    with pytest.raises(
        ConfigError, match=r"none of the \d+ molecules that ASE knows; .*system\.structure=PATH"
    ) as error:
        known_structure("qqqqqqqq")
    assert len(str(error.value)) < 200


def test_a_single_atom_is_refused():
    with pytest.raises(ConfigError, match="system C: a single atom has no vibration"):
        known_structure("C")


@pytest.mark.parametrize("ending", ["xyz", "extxyz", "pdb", "traj", "gen", "mol"])
def test_files_written_by_ase_are_read(water, ending, tmp_path):
    path = tmp_path / f"water.{ending}"
    if ending == "mol":
        path.write_text(MOL)
    else:
        ase.io.write(path, water)
    structure = read_structure(str(path))
    assert structure.symbols == ("O", "H", "H")
    assert structure.masses_u == (15.999, 1.008, 1.008)
    assert np.abs(structure.positions - water.positions).max() < 1e-3


def test_masses_of_the_file_are_kept(water, tmp_path):
    water.set_masses([15.995, 2.014, 1.008])
    ase.io.write(tmp_path / "hdo.traj", water)
    assert read_structure(str(tmp_path / "hdo.traj")).masses_u == (15.995, 2.014, 1.008)


def test_a_missing_or_empty_file_is_refused(tmp_path):
    assert "there is no such file" in refusal(tmp_path / "none.xyz")
    (tmp_path / "empty.xyz").touch()
    assert "it is empty" in refusal(tmp_path / "empty.xyz")


@pytest.mark.parametrize("name", ["words.xyz", "words.pdb", "words.nothing"])
def test_what_is_no_structure_is_refused(name, tmp_path):
    (tmp_path / name).write_text("three\nwords and\nnothing else\n")
    assert name in refusal(tmp_path / name)


def test_a_truncated_file_is_refused(water, tmp_path):
    ase.io.write(tmp_path / "cut.xyz", water)
    text = (tmp_path / "cut.xyz").read_text()
    (tmp_path / "cut.xyz").write_text(text[: int(0.7 * len(text))])
    assert "as a structure" in refusal(tmp_path / "cut.xyz")


def test_several_structures_are_refused_unless_one_is_picked(water, tmp_path):
    other = water.copy()
    other.positions[1] += 0.1
    ase.io.write(tmp_path / "two.xyz", [water, other])
    words = refusal(tmp_path / "two.xyz")
    assert "holds 2 structures" in words
    picked = read_structure(words.rpartition(" ")[2])
    assert np.allclose(picked.positions, other.positions, atol=1e-7)


def test_a_periodic_cell_is_refused(water, tmp_path):
    water.set_cell([9, 9, 9])
    ase.io.write(tmp_path / "boxed.xyz", water)  # a cell alone says nothing of periodicity
    assert read_structure(str(tmp_path / "boxed.xyz")).symbols == ("O", "H", "H")
    water.set_pbc(True)
    for name in ("water.xyz", "water.cif"):
        ase.io.write(tmp_path / name, water)
        assert "is periodic" in refusal(tmp_path / name)


def test_constraints_are_refused(water, tmp_path):
    water.set_constraint(FixAtoms([0]))
    ase.io.write(tmp_path / "held.traj", water)
    assert "holds constraints" in refusal(tmp_path / "held.traj")


def test_a_single_atom_in_a_file_is_refused(tmp_path):
    ase.io.write(tmp_path / "atom.xyz", ase.Atoms("Ar"))
    assert "holds 1 atom" in refusal(tmp_path / "atom.xyz")


def test_positions_in_other_units_are_refused(water, tmp_path):
    water.positions /= 10.0  # nanometres
    ase.io.write(tmp_path / "nm.xyz", water)
    assert "atoms 0 and 1 are 0.0969 A apart; positions must be in angstrom" in refusal(tmp_path / "nm.xyz")


def test_positions_that_are_no_numbers_are_refused(tmp_path):
    (tmp_path / "nan.xyz").write_text("2\n\nH 0 0 nan\nH 0 0 1\n")
    assert "a position is no finite number" in refusal(tmp_path / "nan.xyz")


MOL = """water
  by hand

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.1193 O   0  0  0  0  0  0  0  0  0  0  0  0
    0.0000    0.7632   -0.4770 H   0  0  0  0  0  0  0  0  0  0  0  0
    0.0000   -0.7632   -0.4770 H   0  0  0  0  0  0  0  0  0  0  0  0
  1  2  1  0  0  0  0
  1  3  1  0  0  0  0
M  END
"""
