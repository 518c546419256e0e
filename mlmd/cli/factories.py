"""Builds the objects of a run, such as system, predictor and training plan, from the settings of a command."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from lightning import Callback

from mlmd.cli.instantiate import build
from mlmd.cli.settings import Component, OnTheFlySettings, TrainSettings
from mlmd.cli.settings.groups import LearningSettings
from mlmd.cli.trust import import_modules_of
from mlmd.data.module import BatchPlan
from mlmd.errors import ConfigError
from mlmd.hamiltonians import Method
from mlmd.models import PredictorSpec, VelocityPredictor
from mlmd.propagation import Injection
from mlmd.systems import Regime, System
from mlmd.training import OptimizerPlan, TrainingPlan

Values = Mapping[str, Any]


def make_system(system: Component, hamiltonian: Component) -> System:
    """The system with its Hamiltonian."""
    made: System = build(system, System, hamiltonian=build(hamiltonian, (Method, Callable)))
    return made


def make_regime(regime: Component) -> Regime:
    """The regime, which draws initial states."""
    made: Regime = build(regime, Regime)
    return made


def make_injections(components: Mapping[str, Component]) -> dict[str, Injection]:
    """Injections by the name under which they are reported."""
    return {name: build(component, Injection) for name, component in components.items()}


def make_predictor(settings: LearningSettings, system: System) -> VelocityPredictor:
    """An untrained predictor of the configured variant, for the system."""
    memory, model = settings.memory, settings.model
    import_modules_of((str(model.node.get("components")), memory.kind))
    follows_bond = system.n_atoms == 2
    spec: PredictorSpec = build(
        model,
        PredictorSpec,
        memory_kind=memory.kind,
        memory_length=memory.length,
        memory_warmup=memory.warmup,
        system=system.name,
        symbols=system.symbols,
        masses_u=system.masses_u,
        dt_fs=system.dt_fs,
        reference_A=None if follows_bond else system.equilibrium_A,
        modes=None if follows_bond or system.modes is None else system.modes.vectors,
    )
    return VelocityPredictor(spec)


def make_training_plan(settings: TrainSettings | OnTheFlySettings, config: Values) -> TrainingPlan:
    """The plan by which predictors are trained.

    Args:
        settings: settings of the command.
        config: the resolved configuration, which every checkpoint keeps.
    """
    return TrainingPlan(
        loss=build(settings.loss, Callable),
        optimizer=build(settings.optimizer, OptimizerPlan),
        batches=build(settings.data.batches, BatchPlan),
        trainer=settings.trainer.model_dump(),
        monitor=settings.selection.monitor,
        every_n_epochs=settings.selection.every_n_epochs,
        seed=settings.seed,
        resumes=settings.resume is not None,
        config=config,
        make_callbacks=partial(make_callbacks, settings.callbacks),
    )


def make_callbacks(components: Mapping[str, Component]) -> list[Callback]:
    """New callbacks for one training, in addition to mlmd's own."""
    return [build(component, Callback) for component in components.values()]


def check_device(accelerator: str) -> str:
    """The torch device of an accelerator name.

    Raises:
        ConfigError: the accelerator is a GPU and the machine has none.
    """
    if accelerator == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        raise ConfigError(
            "CUDA was asked for, but this machine has no usable CUDA device; use trainer=cpu (device=cpu)"
        )
    return "cuda"
