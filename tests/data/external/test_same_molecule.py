"""A file in another unit of length is refused with the unit named; its masses may be those of the system."""

from dataclasses import replace

import pytest
from ase import units
from ase_files import DT_FS, bare, changed, hcl_images, stored

from mlmd.data.external.file_plan import FilePlan
from mlmd.data.external.user_data import read_user_data
from mlmd.errors import ConfigError


@pytest.fixture(scope="module")
def system(hcl_morse):
    return replace(hcl_morse, masses_u=(1.008, 35.45))


def scaled(factor):
    def change(image):
        image.positions *= factor

    return change


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1 / units.Bohr, r"bonds are 1\.\d+ times as long as those of system HCl: its positions look like bohr"),
        (0.1, "look like nm"),
        (100.0, "look like pm"),
        (10.0, "look like tenths of an angstrom"),
        (units.Bohr, "look like angstrom converted from bohr twice"),
        (3.0, "write its positions in angstrom, or give the system of the file"),
    ],
)
@pytest.mark.parametrize("verify", [True, False])
def test_another_unit_of_length_is_named(tmp_path, system, factor, words, verify):
    path = stored(tmp_path / "a.extxyz", changed(bare(hcl_images(60)), scaled(factor)))
    with pytest.raises(ConfigError, match=words):
        read_user_data(FilePlan(str(path), dt_fs=DT_FS, verify=verify), system)


def test_momenta_without_masses_are_divided_by_those_of_the_system(tmp_path, system):
    deuterated = replace(system, masses_u=(2.014, 35.45))

    def without_masses(image):
        momenta = image.get_momenta()
        image.set_masses("defaults")
        del image.arrays["masses"]
        image.set_momenta(momenta)

    images = changed(hcl_images(60, masses=[2.014, 35.45]), without_masses)
    data = read_user_data(FilePlan(str(stored(tmp_path / "a.traj", images)), dt_fs=DT_FS), deuterated)
    assert any("velocities in the file confirm dt 0.5 fs" in note for note in data.notes)
