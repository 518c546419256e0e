"""The words that a run is found, grouped and compared by, from its configuration."""

from collections.abc import Mapping
from typing import Any

from mlmd.hamiltonians import method_name
from mlmd.models import VelocityPredictor, model_name
from mlmd.reporting.tracker_tables import RunWords
from mlmd.systems import System

Values = Mapping[str, Any]


def run_words(values: Values, system: System, predictor: VelocityPredictor) -> RunWords:
    """What a run is found by, from its configuration."""
    return RunWords(
        system=system.name,
        variant=predictor.spec.variant,
        model=model_name(predictor.spec),
        regime=short_name(values["regime"]),
        hamiltonian=short_name(values["hamiltonian"]),
        energy_target=energy_target(values["regime"]),
        seed=values["seed"],
    )


def energy_target(regime: Values) -> str:
    """The energy that a regime's configuration asks for, in words.

    >>> energy_target({"vibrational_energy_kT": 10.0, "vibrational_energy_eV": None, "rotational_energy_kT": 2.0})
    '10 kT, rotation 2 kT'
    >>> energy_target({"temperature_K": 300.0})
    '300 K'
    """
    if "temperature_K" in regime:
        return f"{regime['temperature_K']:g} K"
    in_eV = regime.get("vibrational_energy_eV")
    words = f"{regime.get('vibrational_energy_kT', 0.0):g} kT" if in_eV is None else f"{in_eV:g} eV"
    return words + (f", rotation {regime['rotational_energy_kT']:g} kT" if "rotational_energy_kT" in regime else "")


def short_name(node: Values) -> str:
    """The plain word for a chosen Hamiltonian or regime: "harmonic" of HarmonicBond, "B3LYP/def2-SVP" of PySCF."""
    if method := method_name(node):
        return method
    name: str = node["_target_"].rsplit(".", 1)[-1]
    return name.removesuffix("Bond").removesuffix("Regime").lower()
