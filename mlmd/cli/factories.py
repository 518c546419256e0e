"""Objects from configuration values, for both commands."""

from collections.abc import Mapping
from typing import Any

import torch

from mlmd.cli.instantiate import build
from mlmd.errors import ConfigError
from mlmd.models import PredictorSpec, VelocityPredictor
from mlmd.propagation import Injection
from mlmd.systems import Regime, System

Values = Mapping[str, Any]


def make_system(values: Values) -> System:
    """The system with its Hamiltonian."""
    hamiltonian = build(values["hamiltonian"], "hamiltonian")
    system: System = build(values["system"], "system", hamiltonian=hamiltonian)
    return system


def make_regime(values: Values) -> Regime:
    """How initial states are drawn."""
    regime: Regime = build(values["regime"], "regime")
    return regime


def make_injections(nodes: Values) -> dict[str, Injection]:
    """Injections by the name under which they are reported."""
    return {name: build(node, f"rollout.injections.{name}") for name, node in nodes.items()}


def make_predictor(values: Values, system: System) -> VelocityPredictor:
    """An untrained predictor of the configured variant, for the system."""
    memory = values["memory"]
    follows_bond = system.n_atoms == 2
    spec: PredictorSpec = build(values["model"], "model")(
        memory_kind=memory["kind"],
        memory_length=memory["length"],
        memory_warmup=memory["warmup"],
        system=system.name,
        symbols=system.symbols,
        masses_u=system.masses_u,
        dt_fs=system.dt_fs,
        reference_A=None if follows_bond else system.equilibrium_A,
        modes=None if follows_bond or system.modes is None else system.modes.vectors,
    )
    return VelocityPredictor(spec)


def check_device(accelerator: str) -> str:
    """The torch device of an accelerator name.

    Raises:
        ConfigError: CUDA is asked for and absent, or the name is unknown.
    """
    if accelerator in ("cuda", "gpu"):
        if not torch.cuda.is_available():
            raise ConfigError(
                "CUDA was asked for, but this machine has no usable CUDA device; use trainer=cpu (device=cpu)"
            )
        return "cuda"
    if accelerator != "cpu":
        raise ConfigError(f"accelerator {accelerator!r} is unknown; known: 'cpu', 'cuda'")
    return "cpu"


def check_seed(seed: int | None) -> int:
    """The seed, if it is one.

    Raises:
        ConfigError: it is missing or out of range.
    """
    if seed is None or not 0 <= seed < 2**32:
        raise ConfigError(f"seed = {seed} must be a whole number from 0 to {2**32 - 1}")
    return seed
