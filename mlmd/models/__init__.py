"""The stacked LSTM, its memory and scaling, and the velocity predictor around them."""

from mlmd.models.lstm import StackedLSTM
from mlmd.models.memory import CarriedMemory, Memory, WindowMemory
from mlmd.models.model_name import model_name
from mlmd.models.predictor import PredictorState, VelocityPredictor
from mlmd.models.spec import PredictorSpec

__all__ = [
    "CarriedMemory",
    "Memory",
    "PredictorSpec",
    "PredictorState",
    "StackedLSTM",
    "VelocityPredictor",
    "WindowMemory",
    "model_name",
]
