"""The kick-drift loop: where kicks come from, when they are Hamiltonian, and how a learned stretch is advanced."""

from mlmd.propagation.anchor import EnergyAnchor
from mlmd.propagation.engine import EagerEngine, Engine
from mlmd.propagation.guard import DivergenceGuard
from mlmd.propagation.injection import Adaptive, Burst, Injection, InjectionSchedule, Periodic
from mlmd.propagation.kicks import HamiltonianKick, LearnedKick
from mlmd.propagation.propagator import Propagator, check_start, reference_propagator

__all__ = [
    "Adaptive",
    "Burst",
    "DivergenceGuard",
    "EagerEngine",
    "EnergyAnchor",
    "Engine",
    "HamiltonianKick",
    "Injection",
    "InjectionSchedule",
    "LearnedKick",
    "Periodic",
    "Propagator",
    "check_start",
    "reference_propagator",
]
