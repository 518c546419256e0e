"""``python train.py``: data, training, test by rollout, report."""

import time
import warnings
from pathlib import Path

import lightning
import torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import CSVLogger, Logger

from mlmd.cli.factories import (
    Values,
    check_device,
    make_injections,
    make_predictor,
    make_regime,
    make_system,
    make_training_plan,
)
from mlmd.cli.instantiate import build
from mlmd.cli.resume import resumable, resumed_config
from mlmd.cli.settings import TrainSettings
from mlmd.cli.trackers import make_trackers
from mlmd.data.external.file_plan import FilePlan
from mlmd.data.external.user_data import read_user_data
from mlmd.data.generation import DataPlan, draw_initial, reference_data
from mlmd.data.module import TrajectoryDataModule
from mlmd.errors import ConfigError, DataError
from mlmd.evaluation.curves import merge_curves
from mlmd.evaluation.rollouts import RolloutPlan
from mlmd.io.run_folder import RunFiles, peak_memory_MB
from mlmd.models import VelocityPredictor
from mlmd.progress import StepBar, say, say_diverged
from mlmd.propagation import Engine, check_start
from mlmd.reporting.console import print_summary
from mlmd.reporting.run_labels import run_label, run_words
from mlmd.reporting.run_page import write_run_page
from mlmd.reporting.run_report import draw_training
from mlmd.reporting.trackers import TrackedRun
from mlmd.state import Trajectory
from mlmd.systems import Regime, System
from mlmd.training import RetrainingPlan, RolloutValidation, TrainingClock, make_module
from mlmd.training.processes import are_started_together, is_distributed, rank
from mlmd.training.retrain import Retraining, Stage, is_over
from mlmd.training.trainer import best_checkpoint, fit, ignore_known_warnings, make_trainer, quiet_lightning

DATA_FILE = "data.json"
"""Where training data comes from, if from files."""


def train(config: Values, *, folder: str, overrides: list[str], began: float | None = None) -> dict[str, float]:
    """Train, test and report one predictor.

    Args:
        config: the resolved configuration.
        folder: where everything goes.
        overrides: what the command line changed, for the record.
        began: `time.perf_counter` at the start of the command, for the cost in all; now if not given.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        MlmdError: bad input, each with its own words.
    """
    began = time.perf_counter() if began is None else began
    if config["resume"] is not None:
        config = _resumed(config, overrides)
    settings = TrainSettings.from_config(config)
    resumes = settings.resume is not None
    is_main = _is_main(settings, overrides)
    files = RunFiles(Path(folder), seed=settings.seed, overrides=overrides, is_main=is_main)
    quiet_lightning()
    torch.set_num_threads(settings.threads)
    lightning.seed_everything(settings.seed, verbose=False)
    device = check_device(settings.trainer.accelerator)
    plan = make_training_plan(settings, config)

    system, regime = make_system(settings.system, settings.hamiltonian), make_regime(settings.regime)
    predictor = make_predictor(settings, system)
    rollouts = _rollout_callback(settings, system, regime)
    check_start(settings.rollout.start_step, predictor)
    nodes = {"regime": settings.regime.node, "hamiltonian": settings.hamiltonian.node}
    words = run_words(system, predictor, **nodes, seed=settings.seed)
    n_replicas, n_steps = settings.rollout.n_replicas, settings.rollout.n_steps
    label = run_label(words, n_replicas=n_replicas, n_steps=n_steps, dt_fs=system.dt_fs)
    if is_main:
        say(
            f"mlmd: {label.title}, dt {system.dt_fs} fs (period {system.period_fs:.2f} fs), seed {settings.seed}, "
            f"{_n_weights(predictor)} weights, {settings.threads} thread(s)"
        )
        files.begin(config, resumes=resumes)

    splits, n_data_calls = _data(settings, system, regime, files, predictor)
    module = make_module(predictor, splits["train"], plan, system=system)
    retraining: RetrainingPlan = build(settings.retraining, RetrainingPlan)
    retraining.check_length(plan.batches.sequence_length + predictor.n_input_history)
    data = TrajectoryDataModule(splits, predictor=predictor, plan=plan.batches, seed=settings.seed)
    if is_main:
        say(_what_is_left(predictor))
    tracked = TrackedRun(files.folder, config, "train", words, predictor, files.provenance)
    with resumable("train", files.folder, errors=(), is_saved=(files.folder / "last.ckpt").is_file):
        with make_trackers(settings.logger, tracked, is_main=is_main) as tracker:
            loggers: list[Logger] = [CSVLogger(files.folder, name="csv"), *tracker.loggers]
            clock = TrainingClock(began=began)
            trainer = make_trainer(
                plan, module, [rollouts, clock], loggers, folder=files.folder, progress=files.shows_progress
            )
            train_began = time.perf_counter()
            with warnings.catch_warnings():
                ignore_known_warnings()
                if not is_over(plan, files.folder, 0):
                    fit(trainer, module, data, plan=plan, folder=files.folder)
                train_s = time.perf_counter() - train_began
                rounds = Retraining(
                    retraining,
                    plan,
                    files,
                    system=system,
                    regime=regime,
                    rollouts=rollouts,
                    clock=clock,
                    loggers=loggers,
                    start_step=settings.rollout.start_step,
                    device=device,
                )
                stage, retrained = rounds.run(Stage(trainer, module, data))
                trainer, module = stage.trainer, stage.module
                metrics = retrained | _test(stage, files)
            if not trainer.is_global_zero:
                return metrics
            say(f"engine: {rollouts.test_plan.engine.description}")
            metrics |= {
                "val/best": float(trainer.checkpoint_callback.best_model_score),  # type: ignore[union-attr]  # of "best"
                "test/velocity_mape_threshold_A_per_fs": module.mape.threshold,
                "cost/data_force_calls": n_data_calls,
                "cost/train_s": train_s,
                **clock.costs(),
                "cost/rollout_reference_s": rollouts.test_reference_s,
                **{f"cost/rollout_{name}_s": run.wall_s for name, run in rollouts.test_results.items()},
            }
            draw_training(files, rollouts, module, splits, label=label, system=system, draws=settings.figures)
            metrics |= {"cost/total_s": time.perf_counter() - began, "cost/peak_memory_MB": peak_memory_MB()}
            results = rollouts.test_results.values()
            tracker.finish(files, metrics, merge_curves([result.curves for result in results]) if results else None)
        for name, result in rollouts.test_results.items():
            say_diverged(name, result.diverged_at, n_replicas=result.n_replicas)
        write_run_page(files.folder, metrics, title=label.title, lead=label.caption)
        files.write_metrics(metrics)
    print_summary(metrics, files.folder, label.title)
    return metrics


def _is_main(settings: TrainSettings, overrides: list[str]) -> bool:
    """Whether this process writes.

    Raises:
        ConfigError: processes that were started together have no folder in common.
    """
    trainer = settings.trainer.model_dump()
    if is_distributed(trainer) and are_started_together() and settings.resume is None:
        given = [*overrides, *HydraConfig.get().overrides.hydra] if HydraConfig.initialized() else overrides
        if not any(override.startswith("hydra.run.dir=") for override in given):
            raise ConfigError(
                "processes that torchrun or srun starts need one folder for all: add hydra.run.dir=<folder of the run>"
            )
    return rank(trainer) == 0


def _resumed(given: Values, overrides: list[str]) -> Values:
    config, folder = resumed_config(given, overrides), given["resume"]
    if not (Path(folder) / "last.ckpt").is_file():
        raise DataError(f"{folder} holds no last.ckpt, so there is nothing to resume; start the run anew")
    return config


def _data(
    settings: TrainSettings, system: System, regime: Regime, files: RunFiles, predictor: VelocityPredictor
) -> tuple[dict[str, Trajectory], int]:
    """The splits, and the force calls that they cost: none where they come from files."""
    plan, cache = build(settings.data.trajectories, (DataPlan, FilePlan)), settings.data.cache
    if isinstance(plan, FilePlan):
        resumes = settings.resume is not None
        return _own_data(plan, system, files, n_history=predictor.n_history, resumes=resumes), 0
    began = time.perf_counter()
    recipe = {"system": settings.system, "hamiltonian": settings.hamiltonian, "regime": settings.regime}
    splits = reference_data(
        system,
        regime,
        plan,
        seed=settings.seed,
        cache_folder=None if cache is None else Path(cache),
        recipe={name: component.node for name, component in recipe.items()},
        provenance=files.provenance,
    )
    if files.is_main:
        counts = ", ".join(f"{name} {split.n_replicas}" for name, split in splits.items())
        took = time.perf_counter() - began
        say(f"data: {counts} trajectories of {plan.n_steps} steps of {system.dt_fs} fs ({took:.1f} s)")
    return splits, sum(split.n_replicas * len(split) for split in splits.values())


def _own_data(
    plan: FilePlan, system: System, files: RunFiles, *, n_history: int, resumes: bool
) -> dict[str, Trajectory]:
    """The splits from a user's files; ``data.json`` lists them, and a resumed run requires the same."""
    data = read_user_data(plan, system, n_history=n_history)
    if resumes:
        data.require_sources_of(files.folder / DATA_FILE)
    if files.is_main:
        data.write(files.folder / DATA_FILE)
        for line in (data.describe(), *data.notes):
            say(f"data: {line}")
    return data.splits


def _rollout_callback(settings: TrainSettings, system: System, regime: Regime) -> RolloutValidation:
    rollout, seed = settings.rollout, settings.seed
    injections, engine = make_injections(rollout.injections), build(settings.engine, Engine)
    start, every = rollout.start_step, rollout.energy_every
    val_plan = RolloutPlan(injections, rollout.val_n_steps, rollout.val_n_replicas, start, engine, every)
    test_plan = RolloutPlan(injections, rollout.n_steps, rollout.n_replicas, start, engine, every)
    return RolloutValidation(
        system,
        val_plan=val_plan,
        val_initial=draw_initial(system, regime, val_plan.n_replicas, seed=seed, purpose="val rollout"),
        test_plan=test_plan,
        test_initial=draw_initial(system, regime, test_plan.n_replicas, seed=seed, purpose="test rollout"),
        every_n_epochs=rollout.every_n_epochs,
        progress=StepBar(),
    )


def _test(stage: Stage, files: RunFiles) -> dict[str, float]:
    """Metrics of the best checkpoint, as float64."""
    best = best_checkpoint(files.folder)
    stage.trainer.test(stage.module, datamodule=stage.data, ckpt_path=best, verbose=False, weights_only=True)
    return {name: float(value) for name, value in stage.trainer.callback_metrics.items()}


def _n_weights(predictor: VelocityPredictor) -> int:
    learned = predictor.network.parameters() if predictor.spec.network else predictor.scaling.fitted()
    return sum(weight.numel() for weight in learned)


def _what_is_left(predictor: VelocityPredictor) -> str:
    scaling = predictor.scaling
    if not predictor.spec.network:
        held = predictor.spec.shortcut == "held"
        return f"training: no LSTM, {'the kick stays the last one' if held else 'the linear shortcut stands alone'}"
    if not predictor.spec.shortcut:
        return "training: no shortcut, the LSTM predicts the whole target"
    if scaling.n_learned == 0:
        return (
            "training: the linear shortcut is exact here, nothing is left for the LSTM to learn\n"
            "          (model.shortcut=false trains the plain LSTM; hamiltonian=morse is not linear)"
        )
    return f"training: the LSTM learns what the linear shortcut leaves, in {scaling.n_learned} direction(s)"
