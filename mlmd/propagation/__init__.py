"""The kick-drift loop: where kicks come from, when they are Hamiltonian, and how a learned stretch is advanced."""

from mlmd.propagation.callbacks import HamiltonianStep
from mlmd.propagation.counts import rollout_counts
from mlmd.propagation.divergence import DivergenceGuard
from mlmd.propagation.energy_correction import EnergyAnchor
from mlmd.propagation.engines import AutoEngine, EagerEngine, Engine
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.injection import Adaptive, Burst, Injection, InjectionSchedule, Periodic
from mlmd.propagation.kicks import HamiltonianKick, LearnedKick
from mlmd.propagation.propagator import Propagator, check_start, reference_propagator
from mlmd.propagation.warm_start import follow_known

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
    "rollout_counts",
]
