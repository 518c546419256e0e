"""The dynamics of a run: system, source of kicks, engine and device."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mlmd.errors import ConfigError, MismatchError
from mlmd.models import VelocityPredictor
from mlmd.propagation.divergence import DivergenceGuard
from mlmd.propagation.engines import N_PAST_KICKS, EagerEngine, Engine
from mlmd.propagation.injection import Injection, Periodic
from mlmd.systems import System


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """What is propagated and how; any number of runs begin with it.

    Attributes:
        system: what is simulated.
        injection: schedule and energy correction from ``start_step`` on.
        predictor: trained predictor; None for reference dynamics, in which every step is Hamiltonian.
        start_step: first step at which ML may kick.
        device: where states live.
        engine: advances the learned stretches.
        guard: when a replica counts as diverged.

    Raises:
        ConfigError: ML is to start before the predictor has its history.
        MismatchError: the predictor belongs to another system or time step.
    """

    system: System
    injection: Injection
    predictor: VelocityPredictor | None
    start_step: int = 0
    device: torch.device | str = "cpu"
    engine: Engine = field(default_factory=EagerEngine)
    guard: DivergenceGuard = field(default_factory=DivergenceGuard)

    def __post_init__(self) -> None:
        if self.predictor is not None:
            self.predictor.spec.check_system(self.system)
            check_start(self.start_step, self.predictor)

    @property
    def remembers(self) -> bool:
        """Whether forces depend, within their convergence, on the geometries before: a density that is reused does."""
        return bool(getattr(self.system.hamiltonian, "remembers", False))

    def forget(self) -> None:
        """Drop what the Hamiltonian remembers, so that continuing here and from a restart file is the same."""
        if self.remembers:
            self.system.hamiltonian.forget()  # type: ignore[attr-defined]  # those that remember can forget


def reference_dynamics(system: System, *, device: torch.device | str = "cpu") -> Dynamics:
    """Velocity Verlet: dynamics whose every kick is Hamiltonian."""
    return Dynamics(system=system, injection=Injection(Periodic(1.0)), predictor=None, device=device)


def check_start(start_step: int, predictor: VelocityPredictor) -> None:
    """Refuse a start of ML before the predictor and the energy anchor have the history they read.

    Raises:
        ConfigError: with the least number of steps.
    """
    least = max(predictor.n_history, N_PAST_KICKS + 1)
    if start_step < least:
        raise ConfigError(
            f"start_step = {start_step} is too early: {predictor.spec.variant} with this memory needs "
            f"{least} Hamiltonian steps first"
        )


def check_state(system: System, positions: Tensor, velocities: Tensor) -> None:
    """Refuse a state of other atoms, or of other numbers than float64.

    Raises:
        MismatchError: by name.
    """
    for name, values in (("positions", positions), ("velocities", velocities)):
        if values.ndim != 3 or tuple(values.shape[1:]) != (system.n_atoms, 3) or values.shape != positions.shape:
            raise MismatchError(
                f"{name} of {system.name} have the shape {tuple(values.shape)}; expected [replica, {system.n_atoms}, 3]"
            )
        if values.dtype != torch.float64:
            raise MismatchError(f"{name} of {system.name} are {values.dtype}; expected torch.float64")
