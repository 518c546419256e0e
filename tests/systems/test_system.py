import math

import pytest
import torch

from mlmd.errors import ConfigError
from mlmd.hamiltonians import HarmonicBond, MorseBond
from mlmd.systems import custom_diatomic, diatomic, diatomic_record

HCL = {
    "name": "HCl",
    "symbols": ("H", "Cl"),
    "masses_u": (1.0078250319, 34.968852694),
    "omega_e_cm1": 2990.946,
    "r_e_A": 1.274552,
    "dt_fs": 0.5,
    "hamiltonian": HarmonicBond,
}


def custom(**changes):
    return custom_diatomic(**(HCL | changes))


@pytest.mark.parametrize("hamiltonian", [HarmonicBond, MorseBond])
def test_custom_diatomic_with_the_constants_of_hcl_is_hcl(hamiltonian):
    record = diatomic_record("HCl")
    table = diatomic(name="HCl", dt_fs=0.5, hamiltonian=hamiltonian)
    ours = custom(
        masses_u=record.masses_u,
        omega_e_cm1=record.omega_e_cm1,
        r_e_A=record.r_e_A,
        D_e_eV=record.D_e_eV,
        hamiltonian=hamiltonian,
    )
    assert (ours.name, ours.symbols, ours.masses_u) == (table.name, table.symbols, table.masses_u)
    assert ours.period_fs == pytest.approx(table.period_fs, rel=1e-6)
    positions = torch.tensor(table.equilibrium_A, dtype=torch.float64) * 1.1
    for mine, theirs in zip(
        ours.hamiltonian.energy_and_forces(positions), table.hamiltonian.energy_and_forces(positions), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-12)


def test_the_literature_constants_give_the_table():
    ours, table = custom(), diatomic(name="HCl", dt_fs=0.5, hamiltonian=HarmonicBond)
    assert ours.period_fs == pytest.approx(table.period_fs, rel=1e-4)
    assert ours.hamiltonian.constants.k_eV_per_A2 == pytest.approx(table.hamiltonian.constants.k_eV_per_A2, rel=1e-4)


def test_period_is_that_of_the_bond():
    system = custom(masses_u=(2.0, 6.0), omega_e_cm1=1000.0)
    assert system.period_fs == pytest.approx(1e15 / (299792458e2 * 1000.0), rel=1e-12)
    # k = mu omega^2 with mu = 1.5 u, in SI and back.
    k = 1.5 * 1.66053906660e-27 * (2 * math.pi * 299792458e2 * 1000.0) ** 2 / 1.602176634e-19 * 1e-20
    assert system.hamiltonian.constants.k_eV_per_A2 == pytest.approx(k, rel=1e-9)


def test_equilibrium_positions_have_the_bond_length_and_their_centre_at_the_origin():
    system = custom()
    positions = torch.tensor(system.equilibrium_A, dtype=torch.float64)
    assert float((positions[1] - positions[0]).norm()) == pytest.approx(HCL["r_e_A"], rel=1e-14)
    assert float((system.masses().unsqueeze(-1) * positions).sum(dim=0).abs().max()) < 1e-14
    assert system.n_atoms == 2
    assert system.masses().dtype == torch.float64


@pytest.mark.parametrize("dt_fs", [0.0, -0.5, math.nan, math.inf])
def test_a_time_step_that_is_not_positive_is_refused(dt_fs):
    with pytest.raises(ConfigError, match=rf"system\.dt_fs = {dt_fs} must be positive"):
        custom(dt_fs=dt_fs)


def test_a_coarse_time_step_is_refused_with_the_limit():
    with pytest.raises(
        ConfigError, match=r"dt_fs = 1\.2 is too coarse for HCl \(period 11\.15 fs\): the limit is 1\.115"
    ):
        custom(dt_fs=1.2)
    assert custom(dt_fs=1.11).dt_fs == 1.11


@pytest.mark.parametrize("mass", [0.0, -1.0, math.nan, math.inf])
def test_bad_masses_are_refused(mass):
    with pytest.raises(ConfigError, match=r"HCl.*must be positive"):
        custom(masses_u=(1.0, mass))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"omega_e_cm1": 0.0}, "system HCl: omega_e_cm1 = 0.0 must be positive"),
        ({"omega_e_cm1": math.nan}, "system HCl: omega_e_cm1 = nan must be positive"),
        ({"r_e_A": -1.0}, "HCl: r_e_A = -1.0 must be positive"),
        ({"masses_u": (1.0,)}, "system HCl: a diatomic has two symbols and two masses"),
        ({"symbols": ("H", "Cl", "Cl")}, "system HCl: a diatomic has two symbols and two masses"),
        ({"hamiltonian": MorseBond}, "HCl: a Morse bond needs D_e_eV"),
        ({"hamiltonian": MorseBond, "D_e_eV": -4.0}, "HCl: D_e_eV = -4.0 must be positive"),
    ],
)
def test_bad_constants_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        custom(**changes)


def test_an_unknown_molecule_is_refused_by_the_factory():
    with pytest.raises(ConfigError, match="did you mean 'HCl'"):
        diatomic(name="hcl", dt_fs=0.5, hamiltonian=HarmonicBond)
