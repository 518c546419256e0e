"""The dynamics that MLMD inside ASE propagates, from the arguments of its user."""

import math

from mlmd.ase.conversion import AtomsHamiltonian
from mlmd.ase.predictor import make_system
from mlmd.errors import ConfigError
from mlmd.models import VelocityPredictor
from mlmd.propagation import DivergenceGuard, Dynamics, Engine, Injection, InjectionSchedule, Periodic
from mlmd.propagation.engines import N_PAST_KICKS, AutoEngine


def make_dynamics(
    hamiltonian: AtomsHamiltonian,
    predictor: VelocityPredictor | None,
    *,
    dt_fs: float,
    injection: Injection | InjectionSchedule | float,
    start_step: int | None,
    energy_zero_eV: float | None,
    engine: Engine | None,
    guard: DivergenceGuard | None,
) -> Dynamics:
    """Dynamics of one replica, whose arguments are those of `mlmd.ase.MLMD`.

    Raises:
        ConfigError: ML is to start too early, an anchor lacks its zero of energy, or a frequency is out of range.
        MismatchError: the predictor has learned other atoms or another time step.
    """
    injected = _as_injection(injection) if predictor is not None else Injection(Periodic(1.0))
    if injected.anchor is not None:
        hamiltonian.energy_zero_eV = _required_zero(energy_zero_eV)
    spec = None if predictor is None else predictor.spec
    return Dynamics(
        system=make_system(hamiltonian.atoms, spec, dt_fs=dt_fs, hamiltonian=hamiltonian),
        injection=injected,
        predictor=predictor,
        start_step=_least_start(predictor) if start_step is None else start_step,
        device="cpu" if predictor is None else predictor.network.head.weight.device,
        engine=engine or AutoEngine(),
        guard=guard or _default_guard(predictor),
    )


def _as_injection(given: Injection | InjectionSchedule | float) -> Injection:
    if isinstance(given, Injection):
        return given
    return Injection(given if isinstance(given, InjectionSchedule) else Periodic(given))


def _required_zero(energy_zero_eV: float | None) -> float:
    if energy_zero_eV is None:
        raise ConfigError(
            "the energy anchor counts potential energies from the minimum: set energy_zero_eV to the potential energy "
            "of the relaxed molecule"
        )
    return energy_zero_eV


def _least_start(predictor: VelocityPredictor | None) -> int:
    """The fewest Hamiltonian steps that predictor and energy anchor read."""
    return 0 if predictor is None else max(predictor.n_history, N_PAST_KICKS + 1)


def _default_guard(predictor: VelocityPredictor | None) -> DivergenceGuard:
    """Under their true forces atoms may go where they like."""
    return DivergenceGuard() if predictor is not None else DivergenceGuard(shortest=1e-9, longest=math.inf)
