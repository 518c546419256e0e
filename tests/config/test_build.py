import math

import pytest

from mlmd.cli.instantiate import build
from mlmd.cli.job import resolved
from mlmd.cli.settings import Component
from mlmd.errors import ConfigError
from mlmd.hamiltonians import HarmonicBond
from mlmd.propagation import Burst, Injection
from mlmd.systems import Regime, ThermalRegime

THERMAL = {"_target_": "mlmd.systems.ThermalRegime", "temperature_K": 300.0}
BURST = {"_target_": "mlmd.propagation.Burst", "frequency": 0.02, "length": 4}


def build_node(node, path, **keywords):
    return build(Component.of(node, path), **keywords)


def refusal(node, path="regime", **keywords) -> str:
    with pytest.raises(ConfigError) as error:
        build_node(node, path, **keywords)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_node_becomes_its_object_with_plain_arguments():
    assert build_node(THERMAL, "regime") == ThermalRegime(300.0)
    injection = build_node({"_target_": "mlmd.propagation.Injection", "schedule": BURST}, "injection")
    assert isinstance(injection, Injection)
    assert isinstance(injection.schedule, Burst)
    assert injection.schedule.length == 4


def test_a_node_without_target_is_refused_with_its_path():
    assert refusal({"_targt_": "x", "temperature_K": 1.0}).startswith("regime has no _target_")
    assert "'_targt_', 'temperature_K'" in refusal({"_targt_": "x", "temperature_K": 1.0})
    assert refusal({}) == "regime has no _target_, so nothing can be made of it (it has nothing)"
    assert refusal(None).startswith("regime has no _target_")


def test_a_nested_node_without_target_is_refused_with_its_path():
    node = {"_target_": "mlmd.propagation.Injection", "schedule": {"frequency": 0.02}}
    assert refusal(node, "rollout.injections.mine").startswith("rollout.injections.mine.schedule has no _target_")


def test_the_error_for_an_unknown_target_offers_the_nearest():
    words = refusal(THERMAL | {"_target_": "mlmd.systems.ThermalRegimes"})
    assert words.startswith("regime: there is no mlmd.systems.ThermalRegimes: did you mean 'ThermalRegime'")
    assert refusal(THERMAL | {"_target_": "mlmd.nowhere.Thermal"}) == "regime: there is no mlmd.nowhere.Thermal"


def test_arguments_that_do_not_fit_are_named():
    assert "'warmth'" in refusal(THERMAL | {"warmth": 1})
    assert "temperature_K" in refusal({"_target_": "mlmd.systems.ThermalRegime"})
    assert refusal(THERMAL | {"temperature_K": "hot"}) == "regime.temperature_K = 'hot' must be a number"


def test_further_arguments_are_passed_on_as_they_are():
    regime = ThermalRegime(300.0)  # a dataclass, as some Hamiltonians are
    assert build_node({"_target_": "builtins.dict", "more": 1}, "node", regime=regime) == {"more": 1, "regime": regime}
    assert build_node({"_target_": "builtins.dict"}, "node", regime=regime)["regime"] is regime
    words = refusal({"_target_": "mlmd.systems.diatomic", "warmth": 1}, "system", hamiltonian=regime)
    assert words.startswith("system: ")
    assert "'warmth'" in words


def test_an_error_of_our_own_keeps_its_words():
    assert refusal(THERMAL | {"temperature_K": -1}) == "regime.temperature_K = -1 must be positive"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature_K": math.nan}, "regime.temperature_K = nan must be a finite number"),
        ({"temperature_K": math.inf}, "regime.temperature_K = inf must be a finite number"),
        ({"temperature_K": 10**400}, "regime.temperature_K = 1000"),
        ({"temperature_K": True}, "regime.temperature_K = True must be a number"),
        ({"temperature_K": None}, "regime.temperature_K = None must be a number"),
        ({"temperature_K": [300.0]}, "regime.temperature_K = [300.0] must be a number"),
        (
            {"temperature_K": {"_target_": "builtins.float"}},
            "regime.temperature_K = {'_target_': 'builtins.float'} must be",
        ),
        ({"_target_": ""}, "regime._target_ = '' must be a dotted path"),
        ({"_target_": 3}, "regime._target_ = 3 must be a dotted path"),
    ],
)
def test_a_value_of_another_type_than_declared_is_refused_by_its_place(change, words):
    assert refusal(THERMAL | change).startswith(words)


def test_lists_words_and_values_that_may_be_missing():
    custom = {
        "_target_": "mlmd.systems.custom_diatomic",
        "name": "HCl",
        "symbols": ["H", "Cl"],
        "masses_u": [1.0, 35.0],
        "omega_e_cm1": 2990.0,
        "r_e_A": 1.27,
        "dt_fs": 0.5,
        "D_e_eV": None,
        "cache": None,
    }
    assert build_node(custom, "system", hamiltonian=HarmonicBond).masses_u == (1.0, 35.0)
    words = refusal(custom | {"masses_u": [1.0, math.nan]}, "system", hamiltonian=HarmonicBond)
    assert words == "system.masses_u = [1.0, nan] must be a list of numbers"
    words = refusal(custom | {"D_e_eV": "deep"}, "system", hamiltonian=HarmonicBond)
    assert words == "system.D_e_eV = 'deep' must be a number, or null"


def test_an_object_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match=r"^regime: builtins\.dict makes a dict, which is no Regime$"):
        build(Component.of({"_target_": "builtins.dict"}, "regime"), Regime)
    node = {"_target_": "mlmd.propagation.Injection", "schedule": {"_target_": "builtins.dict"}}
    assert refusal(node, "injection") == "injection.schedule: builtins.dict makes a dict, which is no InjectionSchedule"


def test_resolving_names_what_is_missing():
    from omegaconf import OmegaConf

    assert resolved(OmegaConf.create({"a": {"b": 2}, "c": "${a.b}"})) == {"a": {"b": 2}, "c": 2}
    for broken in ({"a": "???"}, {"a": "${nothing.here}"}):
        with pytest.raises(ConfigError, match=r"a|nothing"):
            resolved(OmegaConf.create(broken))
