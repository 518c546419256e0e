"""The kick-drift loop: where kicks come from, when they are Hamiltonian, and how a learned stretch is advanced."""

from mlmd.propagation.anchor import EnergyAnchor
from mlmd.propagation.engines import AutoEngine, EagerEngine, Engine
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.guard import DivergenceGuard
from mlmd.propagation.injection import Adaptive, Burst, Injection, InjectionSchedule, Periodic
from mlmd.propagation.kicks import HamiltonianKick, LearnedKick
from mlmd.propagation.known import follow_known
from mlmd.propagation.listening import HamiltonianStep
from mlmd.propagation.propagator import Propagator, check_start, reference_propagator

__all__ = [
    "Adaptive",
    "AutoEngine",
    "Burst",
    "DivergenceGuard",
    "EagerEngine",
    "EnergyAnchor",
    "Engine",
    "FrameBuffer",
    "HamiltonianKick",
    "HamiltonianStep",
    "Injection",
    "InjectionSchedule",
    "LearnedKick",
    "Periodic",
    "Propagator",
    "check_start",
    "follow_known",
    "reference_propagator",
]
