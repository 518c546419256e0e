"""Rounds of retraining: each is an ordinary training that starts from the weights of the one before.

A stage is a training: stage 0 is the first, stage k is round k. Stage 0 writes its checkpoints into the run's folder,
round k into ``retraining_k``. At the end ``best.ckpt`` of the run is that of the last stage, and stage 0's is kept in
``retraining_0``. Visited states are stored nowhere: they follow from the best checkpoints and the seed, so that an
interrupted round continues from its own last checkpoint with the states it had.
"""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Trainer
from lightning.pytorch.loggers import Logger

from mlmd.data.generation import draw_initial
from mlmd.data.module import TrajectoryDataModule, VisitedData
from mlmd.data.visited_states import VisitedStates, join_visited_states, visit_states
from mlmd.evaluation.rollouts import reference_rollout, run_rollouts
from mlmd.files import atomic_path
from mlmd.io.load_predictor import load_predictor
from mlmd.io.run_folder import RunFiles
from mlmd.observables import velocity_accuracy_percent
from mlmd.progress import say
from mlmd.state import Trajectory
from mlmd.systems import Regime, System
from mlmd.training import PredictorModule, RetrainingPlan, RolloutValidation, TrainingClock, TrainingPlan
from mlmd.training.offset_logger import LaterLogger
from mlmd.training.trainer import best_checkpoint, fit, make_trainer

JUDGED_BY = ("energy_error_median", "energy_error_worst", "diverged_replicas")
"""What the validation rollouts of a stage say of it."""


@dataclass(frozen=True)
class Stage:
    """A training with all that belongs to it."""

    trainer: Trainer
    module: PredictorModule
    data: TrajectoryDataModule


def stage_folder(folder: Path, stage: int) -> Path:
    """Where the checkpoints of a stage lie once the next one has begun."""
    return folder / f"retraining_{stage}"


def is_over(plan: TrainingPlan, folder: Path, stage: int) -> bool:
    """Whether a run that is resumed had left a stage behind: the next one has a checkpoint."""
    return plan.resumes and (stage_folder(folder, stage + 1) / "last.ckpt").is_file()


class Retraining:
    """The rounds of one run.

    Args:
        plan: how many, and how.
        training: how the first training was done.
        files: the run's folder.
        system: what is simulated.
        regime: how initial states are drawn.
        rollouts: the callback that validates and tests by rollout.
        clock: runs through all rounds.
        loggers: of the run.
        start_step: Hamiltonian steps before ML takes over in a rollout.
        device: where rollouts are propagated.
    """

    def __init__(
        self,
        plan: RetrainingPlan,
        training: TrainingPlan,
        files: RunFiles,
        *,
        system: System,
        regime: Regime,
        rollouts: RolloutValidation,
        clock: TrainingClock,
        loggers: Sequence[Logger],
        start_step: int,
        device: str,
    ) -> None:
        self.plan = plan
        self.training = training
        self.files = files
        self.system = system
        self.regime = regime
        self.rollouts = rollouts
        self.clock = clock
        self.loggers = loggers
        self.start_step = start_step
        self.device = device
        self._reference: Trajectory | None = None

    def run(self, first: Stage) -> tuple[Stage, dict[str, float]]:
        """All rounds; none where none is planned or the linear shortcut leaves nothing to learn.

        Args:
            first: stage 0, which is over.

        Returns:
            The last stage, and the metrics of the rounds.
        """
        if self.plan.rounds == 0:
            return first, {}
        if first.module.predictor.scaling.n_learned == 0:
            self._say("retraining: skipped, for the linear shortcut leaves nothing to learn")
            return first, {}
        began, folder, stage = time.perf_counter(), self.files.folder, first
        if not is_over(self.training, folder, 0):
            self._copy(best_checkpoint(folder), stage_folder(folder, 0), first.trainer)
        metrics = self._judged(0, first)
        seen: list[VisitedStates] = []
        n_calls = n_rounds = 0
        for number in range(1, self.plan.rounds + 1):
            states = self._visit(first, f"retraining {number}", self.plan.n_replicas)
            val = self._visit(first, f"retraining val {number}", self.plan.n_val_replicas)
            n_calls += states.n_force_calls + val.n_force_calls
            metrics[f"retraining/{number}/kept_share"] = states.kept_share
            self._say_visited(number, states)
            if states.n_stretches == 0:
                self._say(f"retraining ends here: no replica stayed in physics for {len(states.trajectory)} steps")
                break
            seen.append(states)
            visited = VisitedData(join_visited_states(seen), val, self.plan.share, f"retraining {number}")
            stage = self._stage(number, first, visited)
            if not is_over(self.training, folder, number):
                folder_of_round = stage_folder(folder, number)
                fit(stage.trainer, stage.module, stage.data, plan=self.training, folder=folder_of_round)
            metrics |= self._judged(number, stage)
            n_rounds = number
        self._copy(best_checkpoint(stage_folder(folder, n_rounds)), folder, stage.trainer)
        return stage, metrics | {
            "retraining/rounds": n_rounds,
            "cost/retraining_force_calls": n_calls,
            "cost/retraining_s": time.perf_counter() - began,
        }

    def _visit(self, first: Stage, purpose: str, n_replicas: int) -> VisitedStates:
        predictor, batches = first.module.predictor.to(self.device), first.data.plan
        regime, seed = self.regime.for_training(), self.training.seed
        return visit_states(
            predictor,
            self.system,
            draw_initial(self.system, regime, n_replicas, seed=seed, purpose=purpose),
            start_step=self.start_step,
            n_steps=self.plan.n_steps,
            length=batches.sequence_length + predictor.n_input_history,
            correction=self.plan.correction,
            frequency=self.plan.frequency,
            engine=self.rollouts.val_plan.engine,
            device=self.device,
        )

    def _stage(self, number: int, first: Stage, visited: VisitedData) -> Stage:
        """Round ``number``, whose predictor has the weights of the stage before."""
        plan, training, batches = self.plan, self.training, first.data.plan
        module = first.module.with_optimizer(plan.optimizer(first.module.optimizer_plan))
        data = TrajectoryDataModule(
            first.data.splits, predictor=module.predictor, plan=batches, seed=training.seed, visited=visited
        )
        n_epochs = training.max_epochs + (number - 1) * plan.max_epochs
        n_steps = n_epochs * batches.batches_per_epoch
        trainer = make_trainer(
            training.with_epochs(plan.max_epochs),
            module,
            [self.rollouts, self.clock],
            [LaterLogger(logger, n_epochs=n_epochs, n_steps=n_steps) for logger in self.loggers],
            folder=stage_folder(self.files.folder, number),
            progress=self.files.shows_progress,
        )
        return Stage(trainer, module, data)

    @torch.no_grad()
    def _judged(self, number: int, stage: Stage) -> dict[str, float]:
        """Load the best checkpoint of a stage that is over and judge it by the validation data."""
        best = load_predictor(best_checkpoint(stage_folder(self.files.folder, number)))
        predictor = stage.module.predictor.to(self.device)
        predictor.load_state_dict(best.state_dict())
        predictor.eval()
        rollouts, val = self.rollouts, stage.data.splits["val"].to(self.device)
        predicted, _, true = predictor.predict_velocities(val)
        scores = {"velocity_accuracy_percent": float(velocity_accuracy_percent(predicted, true))}
        given = (self.system, rollouts.val_initial)
        if self._reference is None:
            self._reference = reference_rollout(*given, rollouts.val_plan, device=self.device, progress=_silent)
        results = run_rollouts(
            predictor, *given, self._reference, rollouts.val_plan, device=self.device, progress=_silent
        )
        for name, result in results.items():
            scores |= {f"{name}/{quantity}": result.metrics[quantity] for quantity in JUDGED_BY}
        predictor.train()
        return {f"retraining/{number}/{name}": score for name, score in scores.items()}

    def _copy(self, checkpoint: Path, folder: Path, trainer: Trainer) -> None:
        """Copy a checkpoint to ``folder/best.ckpt``, in one process for all."""
        if self.files.is_main:
            with atomic_path(folder / "best.ckpt") as temporary:
                shutil.copyfile(checkpoint, temporary)
        trainer.strategy.barrier()

    def _say_visited(self, number: int, states: VisitedStates) -> None:
        self._say(
            f"retraining {number} of {self.plan.rounds}: {self.plan.n_replicas} replicas visited "
            f"{states.n_visited:,} states, {100 * states.kept_share:.0f} % kept, {states.n_force_calls:,} force calls"
        )

    def _say(self, line: str) -> None:
        if self.files.is_main:
            say(line)


def _silent(name: str, done: int, total: int) -> None:
    """Validation shows no progress of its own."""
