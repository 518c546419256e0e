"""Training: the LightningModule, callbacks that validate by rollout, and rounds of retraining."""

from mlmd.training.clock import TrainingClock
from mlmd.training.loss import SequenceLoss
from mlmd.training.make_module import make_module
from mlmd.training.module import PredictorModule
from mlmd.training.optimizers import OptimizerPlan, SoapPlan
from mlmd.training.plan import TrainingPlan
from mlmd.training.retraining import RetrainingPlan
from mlmd.training.rollout_callback import RolloutValidation

__all__ = [
    "OptimizerPlan",
    "PredictorModule",
    "RetrainingPlan",
    "RolloutValidation",
    "SequenceLoss",
    "SoapPlan",
    "TrainingClock",
    "TrainingPlan",
    "make_module",
]
