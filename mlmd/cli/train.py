"""``python train.py``: data, training, test by rollout, report."""

import os
import time
import warnings
from pathlib import Path

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger, Logger

from mlmd.cli.factories import (
    Values,
    check_device,
    check_seed,
    make_injections,
    make_predictor,
    make_regime,
    make_system,
)
from mlmd.cli.instantiate import build
from mlmd.cli.program import typed_command
from mlmd.data.external.file_plan import FilePlan
from mlmd.data.external.user_data import read_user_data
from mlmd.data.generation import draw_initial, reference_data
from mlmd.data.module import TrajectoryDataModule
from mlmd.errors import ConfigError, DataError
from mlmd.evaluation.curves import merge_curves
from mlmd.evaluation.rollouts import RolloutPlan
from mlmd.io.run_folder import RunFiles, peak_memory_MB, read_config
from mlmd.models import VelocityPredictor, model_name
from mlmd.progress import StepBar, say, say_diverged
from mlmd.propagation import check_start
from mlmd.reporting.console import print_summary
from mlmd.reporting.run_labels import short_name
from mlmd.reporting.run_page import write_run_page
from mlmd.reporting.run_report import draw_training
from mlmd.reporting.style import RunLabel
from mlmd.state import Trajectory
from mlmd.systems import Regime, System
from mlmd.training import PredictorModule, RolloutValidation, TrainingClock
from mlmd.training.retrain import NO_ROUNDS, Retraining, Stage, is_over
from mlmd.training.trainer import (
    best_checkpoint,
    check_trainer,
    fit,
    ignore_known_warnings,
    make_trainer,
    quiet_lightning,
)

DATA_FILE = "data.json"
"""Where training data comes from, if from files."""

MAPE_THRESHOLD_OF_RMS = 0.01
"""Velocity components below this part of the root mean square stay out of the MAPE, which is unbounded near zero."""


def train(values: Values, *, folder: str, overrides: list[str], began: float | None = None) -> dict[str, float]:
    """Train, test and report one predictor.

    Args:
        values: the resolved configuration.
        folder: where everything goes.
        overrides: what the command line changed, for the record.
        began: `time.perf_counter` at the start of the command, for the cost in all; now if not given.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        MlmdError: bad input, each with its own words.
    """
    began = time.perf_counter() if began is None else began
    if values["resume"] is not None:
        values = _resumed_values(values["resume"], overrides)
    files = RunFiles(Path(folder), values, overrides=overrides, is_main=os.environ.get("LOCAL_RANK", "0") == "0")
    quiet_lightning()
    torch.set_num_threads(values["threads"])
    lightning.seed_everything(check_seed(values["seed"]), verbose=False)
    check_device(values["trainer"]["accelerator"])
    check_trainer(values)

    system, regime = make_system(values), make_regime(values)
    predictor = make_predictor(values, system)
    rollout_callback = _rollout_callback(values, system, regime)
    check_start(values["rollout"]["start_step"], predictor)
    if files.is_main:
        say(_headline(values, system, predictor))
        files.begin()

    splits, n_data_calls = _data(values, system, regime, files, predictor)
    features, targets = predictor.training_pairs(splits["train"])
    batches = build(values["data"]["batches"], "data.batches")
    predictor.scaling.fit(features.flatten(0, 1), targets.flatten(0, 1), noise=batches.noise)
    module = PredictorModule(
        predictor,
        loss=build(values["loss"], "loss"),
        optimizer=build(values["optimizer"], "optimizer"),
        mape_threshold_A_per_fs=MAPE_THRESHOLD_OF_RMS * float(splits["train"].velocities.square().mean().sqrt()),
        steps_per_period=system.period_fs / system.dt_fs,
        config=dict(values),
    )
    retraining = build(values["retraining"], "retraining") if "retraining" in values else NO_ROUNDS
    retraining.check_length(batches.sequence_length + predictor.first_input)
    data = TrajectoryDataModule(splits, predictor=predictor, plan=batches, seed=values["seed"])
    if files.is_main:
        say(_what_is_left(predictor))
    with files.tracker(system, predictor) as tracker:
        loggers: list[Logger] = [CSVLogger(files.folder, name="csv"), *tracker.loggers]
        clock = TrainingClock(began=began)
        callbacks = [rollout_callback, clock]
        trainer = make_trainer(values, module, callbacks, loggers, folder=files.folder, progress=files.shows_progress)
        train_began = time.perf_counter()
        with warnings.catch_warnings():
            ignore_known_warnings()
            try:
                if not is_over(values, files.folder, 0):
                    fit(trainer, module, data, values=values, folder=files.folder)
                train_s = time.perf_counter() - train_began
                rounds = Retraining(
                    retraining,
                    values,
                    files,
                    system=system,
                    regime=regime,
                    rollouts=rollout_callback,
                    clock=clock,
                    loggers=loggers,
                )
                stage, retrained = rounds.run(Stage(trainer, module, data))
            except SystemExit:  # what Lightning makes of an interruption, after it has closed its files
                say(f"interrupted; go on with: {typed_command('train')} resume={files.folder}")
                raise
            trainer, module = stage.trainer, stage.module
            metrics = retrained | _test(stage, files)
        if not trainer.is_global_zero:
            return metrics
        say(f"engine: {rollout_callback.test_plan.engine.description}")
        metrics |= {
            "val/best": float(trainer.checkpoint_callback.best_model_score),  # type: ignore[union-attr]  # of "best"
            "test/velocity_mape_threshold_A_per_fs": module.mape.threshold,
            "cost/data_force_calls": n_data_calls,
            "cost/train_s": train_s,
            **clock.costs(),
            "cost/rollout_reference_s": rollout_callback.test_reference_s,
            **{f"cost/rollout_{name}_s": run.wall_s for name, run in rollout_callback.test_results.items()},
        }
        label = _label(values, system, predictor)
        draw_training(files, rollout_callback, module, splits, label=label, system=system)
        metrics |= {"cost/total_s": time.perf_counter() - began, "cost/peak_memory_MB": peak_memory_MB()}
        files.write_metrics(metrics)
        results = rollout_callback.test_results.values()
        tracker.finish(files, metrics, merge_curves([result.curves for result in results]) if results else None)
    for name, result in rollout_callback.test_results.items():
        say_diverged(name, result.diverged_at, n_replicas=result.n_replicas)
    write_run_page(files.folder, title=label.title, lead=label.caption)
    print_summary(metrics, files.folder, label.title)
    return metrics


def _resumed_values(resume: str, overrides: list[str]) -> Values:
    extra = [override for override in overrides if not override.startswith("resume=")]
    if extra:
        raise ConfigError(f"resume= takes its configuration from {resume}; remove {' '.join(extra)}")
    if not (Path(resume) / "last.ckpt").is_file():
        raise DataError(f"{resume} holds no last.ckpt, so there is nothing to resume; start the run anew")
    return read_config(Path(resume)) | {"resume": resume}


def _data(
    values: Values, system: System, regime: Regime, files: RunFiles, predictor: VelocityPredictor
) -> tuple[dict[str, Trajectory], int]:
    """The splits, and the force calls that they cost: none where they come from files."""
    plan = build(values["data"]["trajectories"], "data.trajectories")
    if isinstance(plan, FilePlan):
        return _own_data(plan, system, files, n_history=predictor.n_history), 0
    cache = values["data"]["cache"]
    began = time.perf_counter()
    splits = reference_data(
        system,
        regime,
        plan,
        seed=values["seed"],
        cache_folder=None if cache is None else Path(cache),
        recipe={name: values[name] for name in ("system", "hamiltonian", "regime")},
        provenance=files.provenance,
    )
    if files.is_main:
        counts = ", ".join(f"{name} {split.n_replicas}" for name, split in splits.items())
        took = time.perf_counter() - began
        say(f"data: {counts} trajectories of {plan.n_steps} steps of {system.dt_fs} fs ({took:.1f} s)")
    return splits, sum(split.n_replicas * len(split) for split in splits.values())


def _own_data(plan: FilePlan, system: System, files: RunFiles, *, n_history: int) -> dict[str, Trajectory]:
    """The splits from a user's files; the run's ``data.json`` says which, and a resumed run insists on them."""
    data = read_user_data(plan, system, n_history=n_history)
    if files.values["resume"] is not None:
        data.require_sources_of(files.folder / DATA_FILE)
    if files.is_main:
        data.write(files.folder / DATA_FILE)
        for line in (data.describe(), *data.notes):
            say(f"data: {line}")
    return data.splits


def _rollout_callback(values: Values, system: System, regime: Regime) -> RolloutValidation:
    rollout, seed = values["rollout"], values["seed"]
    injections = make_injections(rollout["injections"])
    start = rollout["start_step"]
    engine = build(values["engine"], "engine")
    every = rollout.get("energy_every", 1)  # runs of older versions, when resumed, have none
    val_plan = RolloutPlan(injections, rollout["val_n_steps"], rollout["val_n_replicas"], start, engine, every)
    test_plan = RolloutPlan(injections, rollout["n_steps"], rollout["n_replicas"], start, engine, every)
    return RolloutValidation(
        system,
        val_plan=val_plan,
        val_initial=draw_initial(system, regime, val_plan.n_replicas, seed=seed, purpose="val rollout"),
        test_plan=test_plan,
        test_initial=draw_initial(system, regime, test_plan.n_replicas, seed=seed, purpose="test rollout"),
        every_n_epochs=rollout["every_n_epochs"],
        progress=StepBar(),
    )


def _test(stage: Stage, files: RunFiles) -> dict[str, float]:
    """Metrics of the best checkpoint, as float64."""
    best = best_checkpoint(files.folder)
    stage.trainer.test(stage.module, datamodule=stage.data, ckpt_path=best, verbose=False, weights_only=True)
    return {name: float(value) for name, value in stage.trainer.callback_metrics.items()}


def _headline(values: Values, system: System, predictor: VelocityPredictor) -> str:
    learned = predictor.network.parameters() if predictor.spec.network else predictor.scaling.fitted()
    n_weights = sum(weight.numel() for weight in learned)
    return (
        f"mlmd: {_label(values, system, predictor).title}, dt {system.dt_fs} fs "
        f"(period {system.period_fs:.2f} fs), seed {values['seed']}, {n_weights} weights, {values['threads']} thread(s)"
    )


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


def _label(values: Values, system: System, predictor: VelocityPredictor) -> RunLabel:
    return RunLabel(
        system=system.name,
        variant=model_name(predictor.spec),
        regime=short_name(values["regime"]),
        hamiltonian=short_name(values["hamiltonian"]),
        n_replicas=values["rollout"]["n_replicas"],
        n_steps=values["rollout"]["n_steps"],
        dt_fs=system.dt_fs,
        seed=values["seed"],
    )
