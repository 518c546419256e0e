"""Every shipped level of theory against its own finite differences, on a molecule of two or three atoms."""

import pytest
import torch
from contracts.hamiltonian import MethodContract

import mlmd.hamiltonians
from mlmd.hamiltonians import AseMethod, PySCF, ReplicaHamiltonian, Tblite, method_name

HCL = ("H", "Cl"), ((0.0, 0.0, 0.0), (0.0, 0.1, 1.29))
WATER = ("O", "H", "H"), ((0.0, 0.0, 0.12), (0.0, 0.76, -0.48), (0.0, -0.76, -0.48))
TIGHT = {"conv_tol": 1e-12, "conv_tol_grad": 1e-8}
"""So tight that finite differences of the energy are worth comparing with."""


class TestEmt(MethodContract):
    symbols, at = ("Cu", "Cu", "Ni"), ((0.0, 0.0, 0.0), (2.3, 0.0, 0.0), (1.1, 2.0, 0.3))
    slope_tolerance, energy_tolerance, force_tolerance, balance = 1e-8, 1e-10, 1e-10, 1e-12

    def method(self):
        return AseMethod("ase.calculators.emt.EMT")


class TestLennardJones(MethodContract):
    symbols, at = ("Ar", "Ar", "Ar"), ((0.0, 0.0, 0.0), (3.0, 0.0, 0.0), (1.5, 2.6, 0.0))
    slope_tolerance, energy_tolerance, force_tolerance, balance = 1e-8, 1e-10, 1e-10, 1e-12

    def method(self):
        return AseMethod("ase.calculators.lj.LennardJones", {"epsilon": 0.0104, "sigma": 3.4, "rc": 100.0})


class TestAseMorse(MethodContract):
    symbols, at = HCL
    slope_tolerance, energy_tolerance, force_tolerance, balance = 1e-8, 1e-10, 1e-10, 1e-12

    def method(self):
        arguments = {"epsilon": 4.6174, "r0": 1.27455, "rho0": 2.381, "rcut1": 50.0, "rcut2": 60.0}
        return AseMethod("ase.calculators.morse.MorsePotential", arguments)

    def test_it_is_our_morse_curve(self, hcl_morse):
        positions = self.positions()
        ours = hcl_morse.hamiltonian.energy_and_forces(positions)
        theirs = self.make().energy_and_forces(positions)
        torch.testing.assert_close(theirs[0] + 4.6174, ours[0], rtol=1e-3, atol=0)
        torch.testing.assert_close(theirs[1], ours[1], rtol=1e-3, atol=1e-3)


class TestGfn1(MethodContract):
    symbols, at = HCL

    def method(self):
        return Tblite("GFN1-xTB", accuracy=1e-4)


class TestGfn2(MethodContract):
    symbols, at = WATER

    def method(self):
        return Tblite("GFN2-xTB", accuracy=1e-4)


class TestGfn2OfARadical(MethodContract):
    symbols, at = ("N", "O"), ((0.0, 0.0, 0.0), (0.0, 0.0, 1.15))

    def method(self):
        return Tblite("GFN2-xTB", accuracy=1e-4, n_unpaired=1)


class TestHartreeFock(MethodContract):
    symbols, at = WATER

    def method(self):
        return PySCF("HF", "STO-3G", **TIGHT)


class TestHartreeFockOfATriplet(MethodContract):
    symbols, at = ("O", "O"), ((0.0, 0.0, 0.0), (0.0, 0.0, 1.2))

    def method(self):
        return PySCF("HF", "STO-3G", n_unpaired=2, **TIGHT)


class TestB3lyp(MethodContract):
    symbols, at = HCL

    def method(self):
        return PySCF("B3LYP", "STO-3G", grid_level=0, **TIGHT)


class TestPbe(MethodContract):
    symbols, at = WATER

    def method(self):
        return PySCF("PBE", "STO-3G", grid_level=0, **TIGHT)


class TestPbeOfAnIon(MethodContract):
    symbols, at = ("O", "H"), ((0.0, 0.0, 0.0), (0.0, 0.0, 0.97))

    def method(self):
        return PySCF("PBE", "STO-3G", grid_level=0, charge=-1, **TIGHT)


@pytest.mark.parametrize(
    ("method", "energy_hartree", "force_on_oxygen"),
    [
        # From PySCF's and tblite's own commands, without anything of ours; functionals with grid level 5.
        (PySCF("HF", "STO-3G"), -74.96311863765693, -0.0603675902),
        (PySCF("B3LYP", "STO-3G", grid_level=3), -75.31269678748743, -0.106546811),
        (PySCF("PBE", "STO-3G", grid_level=3), -75.22576088437603, -0.118673200),
        (Tblite("GFN2-xTB"), -5.070371818884942, 0.00362757128),
        (Tblite("GFN1-xTB"), -5.768639557769816, 0.00408995408),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_results_are_those_of_the_program(method, energy_hartree, force_on_oxygen):
    at = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.7575, 0.5871], [0.0, -0.7575, 0.5871]], dtype=torch.float64)
    energy, forces = ReplicaHamiltonian(method, WATER[0]).energy_and_forces(at)
    hartree, bohr = 27.211386245988, 0.529177210903
    assert float(energy) == pytest.approx(energy_hartree * hartree, abs=1e-3)
    assert float(forces[0, 2]) == pytest.approx(force_on_oxygen * hartree / bohr, abs=2e-3)


@pytest.mark.parametrize(
    ("target", "values", "name"),
    [
        ("Tblite", {"method": "GFN1-xTB"}, "GFN1-xTB"),
        ("PySCF", {"method": "PBE0", "basis": "6-31G*"}, "PBE0/6-31G*"),
        ("AseMethod", {"calculator": "ase.calculators.emt.EMT"}, "EMT"),
        ("AseMethod", {"calculator": "ase.calculators.emt.EMT", "name": "mine"}, "mine"),
    ],
)
def test_a_method_and_its_node_have_one_name(target, values, name):
    assert method_name({"_target_": f"mlmd.hamiltonians.{target}"} | values) == name
    assert getattr(mlmd.hamiltonians, target)(**values).name == name


@pytest.mark.parametrize("target", ["mlmd.hamiltonians.MorseBond", "elsewhere.Regime", "mlmd.hamiltonians.Nothing"])
def test_what_is_no_method_has_no_name(target):
    assert method_name({"_target_": target}) is None
