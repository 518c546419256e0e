"""The Lightning trainer of a run: arguments, checkpoints, and known warnings to filter."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

from lightning import Callback, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import Logger

from mlmd.data.module import TrajectoryDataModule
from mlmd.errors import ConfigError, DataError, nearest
from mlmd.io.checkpoint_file import load_checkpoint_file
from mlmd.training import PredictorModule
from mlmd.training.checkpoints import AtomicCheckpointIO, MovableCheckpoint
from mlmd.training.plan import TrainingPlan
from mlmd.training.processes import environment


def make_trainer(
    plan: TrainingPlan,
    module: PredictorModule,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
    *,
    folder: Path,
    progress: bool,
) -> Trainer:
    """The trainer.

    Args:
        plan: how it is trained.
        module: what is trained.
        callbacks: what else happens along the training.
        loggers: where curves go.
        folder: where checkpoints go.
        progress: show progress bars.

    Raises:
        ConfigError: Lightning does not take an argument.
    """
    arguments, n_batches = dict(plan.trainer), plan.batches.batches_per_epoch
    if module.predictor.scaling.n_learned == 0:
        # The shortcut leaves nothing but round-off to learn: targets, loss and gradients are zero.
        # One epoch of one step, for its validation and its checkpoints.
        arguments |= {"max_epochs": 1, "limit_train_batches": 1}
        n_batches = 1
    best = MovableCheckpoint(
        folder,
        "best",
        monitor=plan.monitor,
        mode="min",
        every_n_epochs=min(plan.every_n_epochs, arguments["max_epochs"]),
        enable_version_counter=False,
    )
    callbacks = [
        *callbacks,
        *plan.make_callbacks(),
        best,
        MovableCheckpoint(folder, "last", enable_version_counter=False),
    ]
    if progress:
        callbacks.append(TQDMProgressBar(refresh_rate=50, leave=False))
    try:
        return Trainer(
            **arguments,
            callbacks=callbacks,
            logger=list(loggers),
            plugins=[AtomicCheckpointIO(), *environment(arguments)],
            default_root_dir=folder,
            gradient_clip_val=module.optimizer_plan.gradient_clip,
            deterministic=True,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_model_summary=False,
            enable_progress_bar=progress,
            log_every_n_steps=min(50, n_batches),
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigError(f"trainer: {str(error).splitlines()[0]}") from error


def fit(
    trainer: Trainer, module: PredictorModule, data: TrajectoryDataModule, *, plan: TrainingPlan, folder: Path
) -> None:
    """Train, from the start or, in a run that is resumed, from the last checkpoint if there is one already.

    Raises:
        ConfigError: the quantity that selects the best checkpoint is never logged.
        DataError: the last checkpoint is damaged or not ours; it is not unpickled then.
    """
    last = None
    if plan.resumes and (folder / "last.ckpt").is_file():
        last = folder / "last.ckpt"
        load_checkpoint_file(last, unchanged=True)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
    except MisconfigurationException as error:
        monitor = plan.monitor
        if monitor in trainer.callback_metrics:
            raise
        logged = [str(name) for name in trainer.callback_metrics]
        words = nearest(monitor, logged)
        if not words.startswith("did you mean"):
            words = nearest(monitor, (name for name in logged if name.count("/") == 1)) + " and those of rollouts"
        raise ConfigError(f"selection.monitor = {monitor!r} is not logged where it is needed: {words}") from error


def quiet_lightning() -> None:
    """Keep what is no news to the user off the console."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.WARNING)


def ignore_known_warnings() -> None:
    """Lightning's advice that does not apply here."""
    for message in (
        ".*Checkpoint directory .* exists and is not empty.*",  # the run's folder holds its configuration
        ".*recommended to use .self.log.*sync_dist=True.*",  # every process finds the same rollout numbers
        ".*Using .Distributed.*Sampler. with the dataloaders.*",  # batches are shared out by rank, not by a sampler
        ".*isinstance.treespec, LeafSpec.. is deprecated.*",  # Lightning's own call
        ".*it is recommended to use .Trainer.devices=1.*",  # every process tests the same trajectories
    ):
        warnings.filterwarnings("ignore", message=message)


def best_checkpoint(folder: Path) -> Path:
    """The best checkpoint of a training.

    Raises:
        DataError: it was not written.
    """
    best = folder / "best.ckpt"
    if not best.is_file():
        raise DataError(
            f"{best} was not written: the monitored quantity was never logged; see selection.every_n_epochs"
        )
    return best
