"""Objects from the settings of a command."""

from collections.abc import Mapping
from typing import Any

import torch

from mlmd.cli.instantiate import build
from mlmd.cli.settings import Component, OnTheFlySettings, TrainSettings
from mlmd.cli.settings.groups import LearningSettings, LoggerSettings
from mlmd.errors import ConfigError
from mlmd.io.run_folder import RunFiles
from mlmd.models import PredictorSpec, VelocityPredictor
from mlmd.propagation import Injection
from mlmd.reporting.tracker_tables import RunWords
from mlmd.reporting.trackers import JobType, Tracker, WandbTracker
from mlmd.systems import Regime, System
from mlmd.training import TrainingPlan

Values = Mapping[str, Any]


def make_system(system: Component, hamiltonian: Component) -> System:
    """The system with its Hamiltonian."""
    made: System = build(system, hamiltonian=build(hamiltonian))
    return made


def make_regime(regime: Component) -> Regime:
    """How initial states are drawn."""
    made: Regime = build(regime)
    return made


def make_injections(components: Mapping[str, Component]) -> dict[str, Injection]:
    """Injections by the name under which they are reported."""
    return {name: build(component) for name, component in components.items()}


def make_predictor(settings: LearningSettings, system: System) -> VelocityPredictor:
    """An untrained predictor of the configured variant, for the system."""
    memory = settings.memory
    follows_bond = system.n_atoms == 2
    spec: PredictorSpec = build(settings.model)(
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
    """How predictors are trained.

    Args:
        settings: of the command.
        config: the resolved configuration, which every checkpoint keeps.
    """
    return TrainingPlan(
        loss=build(settings.loss),
        optimizer=build(settings.optimizer),
        batches=build(settings.data.batches),
        trainer=settings.trainer.model_dump(),
        monitor=settings.selection.monitor,
        every_n_epochs=settings.selection.every_n_epochs,
        seed=settings.seed,
        resumes=settings.resume is not None,
        config=config,
    )


def make_tracker(
    logger: LoggerSettings,
    files: RunFiles,
    config: Values,
    *,
    job_type: JobType,
    words: RunWords,
    predictor: VelocityPredictor,
) -> Tracker:
    """The experiment tracker of a run; none in the other processes of a distributed run."""
    if not (logger.wandb and files.is_main):
        return Tracker()
    return WandbTracker(
        files.folder,
        config,
        project=logger.project,
        mode=logger.mode,
        group=logger.group,
        job_type=job_type,
        words=words,
        predictor=predictor,
        provenance=files.provenance,
    )


def check_device(accelerator: str) -> str:
    """The torch device of an accelerator name.

    Raises:
        ConfigError: a GPU is asked for and there is none.
    """
    if accelerator == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        raise ConfigError(
            "CUDA was asked for, but this machine has no usable CUDA device; use trainer=cpu (device=cpu)"
        )
    return "cuda"
