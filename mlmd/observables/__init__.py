"""Observables of a run: pure functions on float64 tensors [replica, time, atom, xyz], and torchmetrics around them."""

from mlmd.observables.dynamics import (
    bond_velocity,
    line_limits,
    line_position_cm1,
    power_spectrum,
    spectrum_resolution_cm1,
    vacf,
    vacf_error,
)
from mlmd.observables.energy import (
    drift_over_std_kinetic,
    energy_drift,
    energy_error_along,
    frames_of_whole_periods,
    kinetic_energy,
    relative_energy_error,
)
from mlmd.observables.errors import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    median,
    velocity_accuracy_percent,
)
from mlmd.observables.internal_motion import (
    DiatomicMotion,
    InternalMotion,
    MoleculeMotion,
    SpectralLine,
    internal_motion_of,
)
from mlmd.observables.kick_error_work import work_error_per_period
from mlmd.observables.momenta import (
    KineticPartition,
    angular_momentum,
    angular_momentum_error,
    angular_momentum_scale,
    linear_momentum,
    linear_momentum_error,
    linear_momentum_scale,
    partition_kinetic_energy,
)
from mlmd.observables.rigid import partition_of_molecule
from mlmd.observables.spectral_lines import LineShift, LineSpectra, line_shifts, line_spectra, reference_lines
from mlmd.observables.structure import bond_lengths, bond_mean_error_A, bond_std_error_A, wasserstein_distance

__all__ = [
    "DiatomicMotion",
    "InternalMotion",
    "KineticPartition",
    "LineShift",
    "LineSpectra",
    "MoleculeMotion",
    "SpectralLine",
    "angular_momentum",
    "angular_momentum_error",
    "angular_momentum_scale",
    "bond_lengths",
    "bond_mean_error_A",
    "bond_std_error_A",
    "bond_velocity",
    "drift_over_std_kinetic",
    "energy_drift",
    "energy_error_along",
    "frames_of_whole_periods",
    "internal_motion_of",
    "kinetic_energy",
    "line_limits",
    "line_position_cm1",
    "line_shifts",
    "line_spectra",
    "linear_momentum",
    "linear_momentum_error",
    "linear_momentum_scale",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "median",
    "partition_kinetic_energy",
    "partition_of_molecule",
    "power_spectrum",
    "reference_lines",
    "relative_energy_error",
    "spectrum_resolution_cm1",
    "vacf",
    "vacf_error",
    "velocity_accuracy_percent",
    "wasserstein_distance",
    "work_error_per_period",
]
