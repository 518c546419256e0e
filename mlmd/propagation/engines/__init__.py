"""Engines: a learned stretch as plain PyTorch, as one compiled call on the CPU, or as one kernel on a GPU.

The compiled engines are imported from their own packages, ``engines.cpu`` and ``engines.cuda``, so that a compiler is
loaded only where it is used.
"""

from mlmd.propagation.engines.auto import AutoEngine
from mlmd.propagation.engines.base import N_PAST_KICKS, Engine, drift
from mlmd.propagation.engines.eager import EagerEngine

__all__ = ["N_PAST_KICKS", "AutoEngine", "EagerEngine", "Engine", "drift"]
