"""Objects from configuration values, for both commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mlmd.cli.instantiate import build
from mlmd.errors import ConfigError, DataError
from mlmd.hamiltonians import method_name
from mlmd.io.checkpoint_file import load_checkpoint_file
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


def load_predictor(path: Path) -> tuple[VelocityPredictor, dict[str, Any]]:
    """A trained predictor, and the system, Hamiltonian and regime it was trained with.

    Raises:
        DataError: not a sound checkpoint of this project.
    """
    checkpoint = load_checkpoint_file(path)
    try:
        predictor = VelocityPredictor(PredictorSpec.from_dict(checkpoint["mlmd"]["spec"]))
        prefix = "predictor."
        weights = {
            name.removeprefix(prefix): value
            for name, value in checkpoint["state_dict"].items()
            if name.startswith(prefix)
        }
        predictor.network.to(weights["network.head.weight"].dtype)  # as it was trained and validated
        predictor.load_state_dict(weights)
        config = {name: checkpoint["mlmd"]["config"][name] for name in ("system", "hamiltonian", "regime")}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: the checkpoint does not hold what an mlmd checkpoint holds ({error})") from error
    except RuntimeError as error:
        raise DataError(
            f"{path}: the checkpoint's weights are not those of the {predictor.spec.variant} that it says it is; "
            "copy it again or train anew"
        ) from error
    return predictor.eval(), config


def find_checkpoint(path: str) -> Path:
    """A checkpoint file, or the best one of a run's folder."""
    given = Path(path)
    return given / "best.ckpt" if given.is_dir() else given


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


def model_name(predictor: VelocityPredictor) -> str:
    """The variant, with what departs from its plain form."""
    spec = predictor.spec
    extras = [f"frame={spec.frame}"] if spec.components == "cartesian" and spec.frame != "lab" else []
    held, length = spec.shortcut == "held", f"{spec.history} step{'s' if spec.history > 1 else ''}"
    if spec.network:
        extras += ["held shortcut"] if held else [] if spec.shortcut else ["plain LSTM"]
        extras += [f"history {length}"] if spec.history > 1 else []
        extras += [f"window {spec.memory_length}"] if spec.memory_kind == "window" else []
    else:
        extras += ["held kick" if held else f"linear, {length}"]
    return spec.variant + (f" ({', '.join(extras)})" if extras else "")


def short_name(node: Values) -> str:
    """The plain word for a chosen Hamiltonian or regime: "harmonic" of HarmonicBond, "B3LYP/def2-SVP" of PySCF."""
    if method := method_name(node):
        return method
    name: str = node["_target_"].rsplit(".", 1)[-1]
    return name.removesuffix("Bond").removesuffix("Regime").lower()
