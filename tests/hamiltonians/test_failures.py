"""What goes wrong with calculators, and what is said then: one line, with a cure."""

import importlib.util

import numpy as np
import planted_calculators as calculators
import pytest
from planted_calculators import EnergyOnly, Failing

from mlmd.errors import CalculatorError, ConfigError
from mlmd.hamiltonians import AseMethod, PySCF, Tblite

HCL = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.29]])


def said(method, symbols=("H", "Cl"), positions=HCL, kind=CalculatorError):
    with pytest.raises(kind) as caught:
        method.single_point(symbols)(positions)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _count_from_zero():
    Failing.n_calls = 0


class TestAse:
    def test_a_calculation_that_fails_is_tried_again_as_often_as_configured(self):
        energy, forces = AseMethod.of(lambda: Failing(2), n_retries=2).single_point(("H", "Cl"))(HCL)
        assert Failing.n_calls == 3
        assert energy == pytest.approx(0.5 * 1.29**2)
        assert forces.tolist() == (-HCL).tolist()

    def test_and_then_it_is_an_error(self):
        words = said(AseMethod.of(lambda: Failing(3), name="Mine", n_retries=2))
        assert words.startswith("Mine failed after 3 attempts (CalculationFailed: no convergence after 12 cycles; ")
        assert "closest atoms: H0 and Cl1 at 1.290 A" in words
        assert words.endswith("raise hamiltonian.n_retries, or lower the time step")

    @pytest.mark.parametrize("number", [np.nan, np.inf])
    def test_forces_that_are_no_numbers(self, number):
        words = said(AseMethod.of(lambda: Failing(0, number), name="Mine"))
        assert words.startswith("Mine gave forces that are no numbers (closest atoms: H0 and Cl1 at 1.290 A): look at")

    def test_no_forces_at_all(self):
        words = said(AseMethod.of(EnergyOnly))
        assert words.startswith("EnergyOnly cannot give energy and forces of HCl (PropertyNotImplementedError")
        assert words.endswith("choose another calculator")

    def test_an_element_it_does_not_know(self):
        assert "EMT cannot give energy and forces of HCl" in said(AseMethod("ase.calculators.emt.EMT"))

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("EMT", "calculator 'EMT' must be a dotted path such as ase.calculators.emt.EMT"),
            ("ase.calculators.emt.EMTT", "ase.calculators.emt has no EMTT; did you mean 'EMT'?"),
            ("ase.calculators.mors.MorsePotential", "there is no module ase.calculators.mors; did you mean"),
            ("acecalc.EMT", "there is no module acecalc; is its package installed?"),
        ],
    )
    def test_a_path_that_leads_nowhere(self, path, words):
        assert words in said(AseMethod(path), kind=ConfigError)

    def test_the_nearest_module_is_named(self):
        assert "'ase.calculators.morse'" in said(AseMethod("ase.calculators.mors.MorsePotential"), kind=ConfigError)

    def test_arguments_it_does_not_take(self):
        words = said(AseMethod("ase.calculators.tip3p.TIP3P", {"cutoff": 9.0}), kind=ConfigError)
        assert words.startswith("TIP3P cannot be made with {'cutoff': 9.0} (TypeError: ")
        assert words.endswith("see hamiltonian.arguments")

    def test_what_makes_no_calculator(self):
        assert "broken cannot be made" in said(AseMethod.of(calculators.broken), kind=ConfigError)
        assert "makes a dict, which is no ASE calculator" in said(AseMethod("builtins.dict"), kind=ConfigError)


class TestTblite:
    def test_more_iterations_and_damping_help(self):
        with_help = Tblite(max_iterations=9, n_retries=2).single_point(("H", "Cl"))(HCL)
        plain = Tblite(n_retries=0).single_point(("H", "Cl"))(HCL)
        assert with_help[0] == pytest.approx(plain[0], abs=1e-6)
        assert with_help[1] == pytest.approx(plain[1], abs=1e-4)

    def test_the_settings_are_back_afterwards(self):
        few = Tblite(max_iterations=9, n_retries=2).single_point(("H", "Cl"))
        few(HCL)
        few.forget()
        few.method.n_retries = 0
        with pytest.raises(CalculatorError, match="SCF not converged in 9 cycles"):
            few(HCL)

    def test_it_does_not_converge(self):
        words = said(Tblite(max_iterations=1, n_retries=1))
        assert words.startswith("GFN2-xTB does not converge in 2 attempts (SCF not converged in 1 cycles; closest")
        assert "raise hamiltonian.max_iterations" in words

    def test_an_element_it_does_not_know(self):
        assert said(Tblite(), ("Es", "H"), kind=ConfigError).startswith("GFN2-xTB does not know Es H (")

    def test_a_method_it_does_not_know(self):
        with pytest.raises(ConfigError, match="tblite has no method 'GFN3-xTB'; did you mean 'GFN"):
            Tblite("GFN3-xTB")


class TestPySCF:
    def test_second_order_iterations_help(self):
        few = PySCF("HF", "STO-3G", max_cycle=4, n_retries=2).single_point(("O", "H", "H"))
        at = np.array([[0.0, 0.0, 0.12], [0.0, 0.9, -0.48], [0.0, -0.76, -0.6]])
        energy, forces = few(at)
        plain = PySCF("HF", "STO-3G").single_point(("O", "H", "H"))(at)
        assert energy == pytest.approx(plain[0], abs=1e-7)
        assert forces == pytest.approx(plain[1], abs=1e-4)
        few.method.n_retries = 1
        few.forget()
        with pytest.raises(CalculatorError, match="in 2 attempts"):
            few(at)

    def test_it_does_not_converge(self):
        words = said(PySCF("HF", "STO-3G", max_cycle=1))
        assert words.startswith("HF/STO-3G does not converge in 3 attempts (max_cycle = 1 is not enough; closest")

    def test_atoms_on_top_of_each_other(self):
        assert "H0 and Cl1 at 0.000 A" in said(PySCF("HF", "STO-3G"), positions=np.zeros((2, 3)))

    def test_names_it_does_not_know(self):
        words = said(PySCF("B3LPY", "STO-3G"), kind=ConfigError)
        assert words.startswith("PySCF has no functional 'B3LPY'; did you mean 'B3LYP'")
        words = said(PySCF("HF", "def2SVPPP"), kind=ConfigError)
        assert words.startswith("PySCF has no basis 'def2SVPPP' for Cl H; did you mean 'def2svp'")

    def test_a_basis_without_the_element(self):
        assert "no basis '6-31G' for I" in said(PySCF("HF", "6-31G"), ("I", "I"), kind=ConfigError)


@pytest.mark.parametrize("make", [Tblite, PySCF])
@pytest.mark.parametrize(("charge", "n_unpaired"), [(0, 1), (1, 0), (0, -2), (0, 20), (18, 0)])
def test_impossible_electrons(make, charge, n_unpaired):
    words = said(make(charge=charge, n_unpaired=n_unpaired), kind=ConfigError)
    assert f"{18 - charge} electrons (H Cl, charge {charge}) cannot have {n_unpaired} unpaired" in words


@pytest.mark.parametrize(
    ("package", "make", "words"),
    [
        ("tblite", Tblite, r"GFN2-xTB needs tblite, which is not installed: pip install 'mlmd\[qm\]'"),
        ("pyscf", PySCF, r"HF/STO-3G needs pyscf, which is not installed: pip install 'mlmd\[qm\]'"),
    ],
)
def test_the_missing_extra_is_named(package, make, words, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name, *rest)
    )
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Tblite(n_processes=0), "GFN2-xTB: n_processes = 0 must be a whole number, at least 1"),
        (lambda: Tblite(accuracy=0.0), "GFN2-xTB: accuracy = 0.0 must be positive"),
        (lambda: Tblite(electronic_temperature_K=-1.0), "electronic_temperature_K = -1.0 must be positive"),
        (lambda: PySCF(n_retries=-1), "HF/STO-3G: n_retries = -1 must be a whole number, at least 0"),
        (lambda: PySCF(max_cycle=True), "max_cycle = True must be a whole number"),
        (lambda: PySCF(conv_tol_grad=float("nan")), "conv_tol_grad = nan must be positive"),
        (lambda: PySCF("PBE", grid_level=10), "PBE/STO-3G: grid_level = 10 must be from 0 to 9"),
        (lambda: AseMethod("ase.calculators.emt.EMT", n_processes=0), "EMT: n_processes = 0 must be"),
    ],
)
def test_values_out_of_range(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
