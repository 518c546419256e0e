"""The labels by which runs are found, grouped and compared, from their configuration."""

from collections.abc import Mapping
from typing import Any

from mlmd.hamiltonians import method_name
from mlmd.models import VelocityPredictor, model_name
from mlmd.reporting.style import RunLabel
from mlmd.reporting.tracker_tables import RunWords
from mlmd.systems import System

Values = Mapping[str, Any]


def run_words(
    system: System, predictor: VelocityPredictor, *, regime: Values, hamiltonian: Values, seed: int
) -> RunWords:
    """What a run is found, grouped and compared by.

    Args:
        system: what is simulated.
        predictor: trained or used by the run.
        regime: configuration of the regime.
        hamiltonian: configuration of the Hamiltonian.
        seed: of the run.
    """
    return RunWords(
        system=system.name,
        variant=predictor.spec.variant,
        model=model_name(predictor.spec),
        regime=short_name(regime),
        hamiltonian=short_name(hamiltonian),
        energy_target=energy_target(regime),
        seed=seed,
    )


def run_label(words: RunWords, *, n_replicas: int, n_steps: int, dt_fs: float) -> RunLabel:
    """What the figures and the page of a run say of it.

    Args:
        words: of the run.
        n_replicas: replicas of its trajectories.
        n_steps: MD steps of each.
        dt_fs: MD time step.
    """
    return RunLabel(
        system=words.system,
        variant=words.model,
        regime=words.regime,
        hamiltonian=words.hamiltonian,
        n_replicas=n_replicas,
        n_steps=n_steps,
        dt_fs=dt_fs,
        seed=words.seed,
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
