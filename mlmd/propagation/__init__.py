"""The kick-drift loop: where kicks come from, when they are Hamiltonian, and how a learned stretch is advanced."""

from mlmd.propagation.callbacks import HamiltonianStep
from mlmd.propagation.counts import rollout_counts
from mlmd.propagation.divergence import DivergenceCheck, DivergenceGuard
from mlmd.propagation.dynamics import Dynamics, check_start, reference_dynamics
from mlmd.propagation.energy_correction import EnergyAnchor, EnergyCorrection, EnergyReference
from mlmd.propagation.engines import AutoEngine, EagerEngine, Engine
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.injection import Adaptive, Burst, Injection, InjectionSchedule, InjectionState, Periodic
from mlmd.propagation.kicks import HamiltonianKick, LearnedKick
from mlmd.propagation.modified_energy import modified_energy
from mlmd.propagation.propagator import Propagator
from mlmd.propagation.warm_start import follow_known

__all__ = [
    "Adaptive",
    "AutoEngine",
    "Burst",
    "DivergenceCheck",
    "DivergenceGuard",
    "Dynamics",
    "EagerEngine",
    "EnergyAnchor",
    "EnergyCorrection",
    "EnergyReference",
    "Engine",
    "FrameBuffer",
    "HamiltonianKick",
    "HamiltonianStep",
    "Injection",
    "InjectionSchedule",
    "InjectionState",
    "LearnedKick",
    "Periodic",
    "Propagator",
    "check_start",
    "follow_known",
    "modified_energy",
    "reference_dynamics",
    "rollout_counts",
]
