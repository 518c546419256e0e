import math

import pytest

from mlmd.errors import ConfigError
from mlmd.systems import diatomic_record, diatomic_table

# CODATA 2018, SI.
H, C, U, E = 6.62607015e-34, 299792458.0, 1.66053906660e-27, 1.602176634e-19
MOLECULES = list(diatomic_table().values())


def reduced_mass_kg(record):
    mass_1, mass_2 = record.masses_u
    return mass_1 * mass_2 / (mass_1 + mass_2) * U


def test_there_are_35_molecules_each_under_its_name():
    assert len(MOLECULES) == 35
    assert all(name == record.molecule for name, record in diatomic_table().items())
    assert {"H2", "HCl", "CO", "N2", "NO", "O2", "I2"} <= set(diatomic_table())


@pytest.mark.parametrize("record", MOLECULES, ids=lambda record: record.molecule)
class TestEveryMolecule:
    def test_rotational_constant_agrees_with_the_bond_length(self, record):
        B_per_cm = H / (8 * math.pi**2 * C * reduced_mass_kg(record) * (record.r_e_A * 1e-10) ** 2) / 100
        assert record.B_e_cm1 == pytest.approx(B_per_cm, rel=4e-4)

    def test_force_constant_follows_from_omega_e(self, record):
        k_N_per_m = reduced_mass_kg(record) * (2 * math.pi * C * 100 * record.omega_e_cm1) ** 2
        assert record.k_eV_per_A2 == pytest.approx(k_N_per_m / E * 1e-20, rel=1e-6)

    def test_period_follows_from_omega_e(self, record):
        assert record.period_fs == pytest.approx(1e15 / (C * 100 * record.omega_e_cm1), rel=2e-6)

    def test_numbers_are_those_of_a_molecule(self, record):
        assert 0.5 < record.r_e_A < 4.0
        assert 0.2 < record.D_e_eV < 12.0
        assert 0.0 < record.omega_e_x_e_cm1 < 0.05 * record.omega_e_cm1

    def test_masses_are_those_of_the_isotopes(self, record):
        for isotope, mass, symbol in zip(record.isotopes, record.masses_u, record.symbols, strict=True):
            mass_number = int(isotope.removesuffix(symbol))
            assert symbol.isalpha()
            assert mass == pytest.approx(mass_number, abs=0.11)  # the mass defect of iodine is 0.096 u


@pytest.mark.parametrize(
    ("asked", "offered"), [("hcl", "'HCl'"), ("HCI", "'HCl'"), ("Na-Cl", "'NaCl'"), ("N3", "'N2'")]
)
def test_the_error_for_an_unknown_molecule_offers_the_nearest(asked, offered):
    with pytest.raises(ConfigError, match=rf"unknown molecule '{asked}': did you mean .*{offered}"):
        diatomic_record(asked)


def test_the_error_for_a_name_near_to_none_lists_all():
    with pytest.raises(ConfigError, match=r"unknown molecule 'zzzzzzz': known: .*'HCl'"):
        diatomic_record("zzzzzzz")
