"""The trainings of an on-the-fly run: each an ordinary Lightning training in a folder of its own, ``round_<k>``."""

import shutil
import warnings
from pathlib import Path

import torch
from lightning.pytorch.loggers import CSVLogger

from mlmd.cli.factories import Values, make_predictor
from mlmd.cli.instantiate import build
from mlmd.data.generation import split_seed
from mlmd.data.module import BatchPlan, TrajectoryDataModule
from mlmd.files import atomic_path
from mlmd.io.load_predictor import load_predictor
from mlmd.io.run_folder import RunFiles
from mlmd.models import VelocityPredictor
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.training import PredictorModule
from mlmd.training.trainer import best_checkpoint, fit, ignore_known_warnings, make_trainer

MAPE_THRESHOLD_OF_RMS = 0.01
"""As for `mlmd.cli.train`."""


class Rounds:
    """Trains predictors on splits that grow; every one starts afresh, so it depends on its number and data alone.

    Args:
        values: the resolved configuration.
        files: the run's folder.
        system: what is simulated.
        batches: how training data is batched.
    """

    def __init__(self, values: Values, files: RunFiles, *, system: System, batches: BatchPlan) -> None:
        self.values = values
        self.files = files
        self.system = system
        self.batches = batches

    def folder(self, number: int) -> Path:
        """Where a training leaves its checkpoints."""
        return self.files.folder / f"round_{number}"

    def train(self, number: int, splits: dict[str, Trajectory]) -> VelocityPredictor:
        """The best predictor of training ``number``; interrupted before, it goes on from its last checkpoint."""
        torch.manual_seed(split_seed(self.values["seed"], f"round {number}"))
        predictor = make_predictor(self.values, self.system)
        features, targets = predictor.training_pairs(splits["train"])
        predictor.scaling.fit(features.flatten(0, 1), targets.flatten(0, 1), noise=self.batches.noise)
        module = PredictorModule(
            predictor,
            loss=build(self.values["loss"], "loss"),
            optimizer=build(self.values["optimizer"], "optimizer"),
            mape_threshold_A_per_fs=MAPE_THRESHOLD_OF_RMS * float(splits["train"].velocities.square().mean().sqrt()),
            steps_per_period=self.system.period_fs / self.system.dt_fs,
            config=dict(self.values),
        )
        data = TrajectoryDataModule(splits, predictor=predictor, plan=self.batches, seed=self.values["seed"])
        folder = self.folder(number)
        trainer = make_trainer(
            self.values, module, [], [CSVLogger(folder, name="csv")], folder=folder, progress=self.files.shows_progress
        )
        with warnings.catch_warnings():
            ignore_known_warnings()
            fit(trainer, module, data, values=self.values, folder=folder)
        return self.load(number)

    def load(self, number: int) -> VelocityPredictor:
        """What training ``number`` left."""
        return load_predictor(best_checkpoint(self.folder(number)))

    def publish(self, number: int) -> None:
        """Make a training's best checkpoint that of the run, for ``checkpoint=<folder>``."""
        with atomic_path(self.files.folder / "best.ckpt") as temporary:
            shutil.copyfile(best_checkpoint(self.folder(number)), temporary)

    def clear(self) -> None:
        """Remove what an earlier run left in the same folder."""
        for left_behind in self.files.folder.glob("round_*"):
            shutil.rmtree(left_behind)
