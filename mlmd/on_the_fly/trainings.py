"""The trainings of an on-the-fly run: each an ordinary Lightning training in a folder of its own, ``round_<k>``."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from lightning.pytorch.loggers import CSVLogger

from mlmd.data.generation import split_seed
from mlmd.data.module import TrajectoryDataModule
from mlmd.files import atomic_path
from mlmd.io.load_predictor import load_predictor
from mlmd.io.run_folder import RunFiles
from mlmd.models import VelocityPredictor
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.training import TrainingPlan, make_module
from mlmd.training.trainer import best_checkpoint, fit, ignore_known_warnings, make_trainer


class Rounds:
    """Trains predictors on splits that grow; every one starts afresh, so it depends on its number and data alone.

    Args:
        plan: how each is trained.
        files: the run's folder.
        system: what is simulated.
        make_predictor: makes an untrained predictor; its weights follow from the state of PyTorch's generator.
    """

    def __init__(
        self, plan: TrainingPlan, files: RunFiles, *, system: System, make_predictor: Callable[[], VelocityPredictor]
    ) -> None:
        self.plan = plan
        self.files = files
        self.system = system
        self.make_predictor = make_predictor

    def folder(self, number: int) -> Path:
        """Where a training leaves its checkpoints."""
        return self.files.folder / f"round_{number}"

    def train(self, number: int, splits: dict[str, Trajectory]) -> VelocityPredictor:
        """The best predictor of training ``number``; an interrupted training continues from its last checkpoint."""
        plan, folder = self.plan, self.folder(number)
        torch.manual_seed(split_seed(plan.seed, f"round {number}"))
        predictor = self.make_predictor()
        module = make_module(predictor, splits["train"], plan, system=self.system)
        data = TrajectoryDataModule(splits, predictor=predictor, plan=plan.batches, seed=plan.seed)
        loggers = [CSVLogger(folder, name="csv")]
        trainer = make_trainer(plan, module, [], loggers, folder=folder, progress=self.files.shows_progress)
        with warnings.catch_warnings():
            ignore_known_warnings()
            fit(trainer, module, data, plan=plan, folder=folder)
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
