import math

import pytest
import torch
from contracts.hamiltonian import HCL, DiatomicBondContract, HamiltonianContract, bonds

from mlmd.errors import ConfigError
from mlmd.hamiltonians import BondConstants, CountedHamiltonian, HarmonicBond, MorseBond
from mlmd.systems import diatomic


class TestHarmonicBond(DiatomicBondContract):
    factory = HarmonicBond

    def test_energy_is_the_parabola(self):
        energy = HarmonicBond(HCL).energy_and_slope(torch.tensor([1.3746, 1.0746], dtype=torch.float64))[0]
        assert energy.tolist() == pytest.approx([0.5 * 32.2 * 0.01, 0.5 * 32.2 * 0.04])

    def test_any_positive_energy_is_held(self):
        HarmonicBond(HCL).check_energy(100.0)


class TestMorseBond(DiatomicBondContract):
    factory = MorseBond

    def test_far_apart_the_energy_is_d_e(self):
        energy, slope = MorseBond(HCL).energy_and_slope(torch.tensor(40.0, dtype=torch.float64))
        assert float(energy) == pytest.approx(4.6, rel=1e-12)
        assert abs(float(slope)) < 1e-12

    def test_inner_wall_by_hand(self):
        a = math.sqrt(32.2 / (2 * 4.6))
        energy = float(MorseBond(HCL).energy_and_slope(torch.tensor(1.0, dtype=torch.float64))[0])
        assert energy == pytest.approx(4.6 * (1 - math.exp(-a * (1.0 - 1.2746))) ** 2, rel=1e-13)

    @pytest.mark.parametrize("energy_eV", [4.6, 5.0])
    def test_an_energy_that_breaks_the_bond_is_refused(self, energy_eV):
        with pytest.raises(ConfigError, match=r"HCl: vibrational energy .* breaks the Morse bond \(D_e = 4\.6 eV\)"):
            MorseBond(HCL).check_energy(energy_eV)

    def test_an_endless_energy_is_refused(self):
        with pytest.raises(ConfigError, match="HCl"):
            MorseBond(HCL).check_energy(math.inf)

    def test_an_energy_below_d_e_is_held(self):
        MorseBond(HCL).check_energy(4.59)

    @pytest.mark.parametrize("name", ["LiF", "LiCl", "NaCl", "KCl"])
    def test_alkali_halides_are_refused(self, name):
        with pytest.raises(ConfigError, match=f"{name}: .*alkali halide.*use hamiltonian=harmonic"):
            diatomic(name=name, dt_fs=0.5, hamiltonian=MorseBond)
        assert diatomic(name=name, dt_fs=0.5, hamiltonian=HarmonicBond).name == name

    def test_a_missing_d_e_is_refused(self):
        with pytest.raises(ConfigError, match="X2: a Morse bond needs D_e_eV; give it or use hamiltonian=harmonic"):
            MorseBond(BondConstants("X2", k_eV_per_A2=30.0, r_e_A=1.0))


class TestCountedHamiltonian(HamiltonianContract):
    def make(self):
        return CountedHamiltonian(MorseBond(HCL))

    def positions(self):
        return bonds(torch.tensor([1.1, 1.5], dtype=torch.float64))

    def test_one_call_is_one_count_whatever_the_batch(self):
        counted = self.make()
        assert counted.n_calls == 0
        for n_calls in range(1, 4):
            counted.energy_and_forces(bonds(torch.ones(n_calls, dtype=torch.float64)))
            assert counted.n_calls == n_calls

    def test_it_answers_what_the_hamiltonian_answers(self):
        ours, theirs = (each.energy_and_forces(self.positions()) for each in (self.make(), MorseBond(HCL)))
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


@pytest.mark.parametrize("energy_eV", [0.0, -1.0, math.nan])
@pytest.mark.parametrize("factory", [HarmonicBond, MorseBond])
def test_energies_that_are_not_positive_are_refused(factory, energy_eV):
    with pytest.raises(ConfigError, match=f"HCl: vibrational energy {energy_eV} eV must be positive"):
        factory(HCL).check_energy(energy_eV)


@pytest.mark.parametrize("name", ["k_eV_per_A2", "r_e_A", "D_e_eV"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_bond_constants_must_be_positive(name, value):
    with pytest.raises(ConfigError, match=f"X2: {name} = {value} must be positive"):
        BondConstants("X2", **({"k_eV_per_A2": 30.0, "r_e_A": 1.0, "D_e_eV": 4.0} | {name: value}))
