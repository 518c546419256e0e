"""From an untrained predictor and training data to the LightningModule that trains it."""

from mlmd.models import VelocityPredictor
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.training.module import PredictorModule
from mlmd.training.plan import TrainingPlan

MAPE_THRESHOLD_OF_RMS = 0.01
"""Velocity components below this part of the root mean square stay out of the MAPE, which is unbounded near zero."""


def make_module(
    predictor: VelocityPredictor, train: Trajectory, plan: TrainingPlan, *, system: System
) -> PredictorModule:
    """The module of a first training; it fits the predictor's scales to the training data.

    Args:
        predictor: untrained; its scales are set here.
        train: training trajectories, [replica, time, atom, xyz].
        plan: how it is trained.
        system: what is simulated.
    """
    features, targets = predictor.training_pairs(train)
    predictor.scaling.fit(features.flatten(0, 1), targets.flatten(0, 1), noise=plan.batches.noise)
    return PredictorModule(
        predictor,
        loss=plan.loss,
        optimizer=plan.optimizer,
        mape_threshold_A_per_fs=MAPE_THRESHOLD_OF_RMS * float(train.velocities.square().mean().sqrt()),
        steps_per_period=system.period_fs / system.dt_fs,
        config=dict(plan.config),
    )
