"""Curves of an evaluated run for figures and files; their number of points does not grow with the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mlmd.observables.dynamics import line_limits, line_position_cm1
from mlmd.observables.internal_motion import InternalMotion, SpectralLine
from mlmd.observables.spectral_lines import LineShift
from mlmd.state import FrameSource

END_FS = 100.0
"""Time at the end of a run for which its bond length is shown, fs; about eight periods."""

N_BINS = 80
"""Number of bins of the bond length distribution."""

BEYOND_LINES = 1.15
"""A spectrum with several lines is shown up to this multiple of its highest harmonic wavenumber."""

_BY_RUN = ("end_errors", "energy_errors", "energies", "bonds", "dynamics")


@dataclass(frozen=True)
class BondView:
    """Bond lengths of one run.

    Attributes:
        time_fs: times of the last frames [time], fs; zero is the first frame of the run.
        lengths: length of the first bond of the first replica at these times [time], A.
        edges: edges of the bins of the distribution [bin + 1], A.
        density: share of all bonds, replicas and frames per bin and per A [bin]. Lengths beyond the edges and lengths
            that are not finite are in no bin.
        first_range: shortest and longest length of that bond in the whole run, A.
        n_replicas: number of replicas.
        n_diverged: number of replicas with a bond length that is not finite.
        first_bond: name of the first bond, e.g. "O1-H2"; empty if there is only one bond.
    """

    time_fs: Tensor
    lengths: Tensor
    edges: Tensor
    density: Tensor
    first_range: tuple[float, float]
    n_replicas: int
    n_diverged: int
    first_bond: str = ""


@dataclass(frozen=True)
class DynamicsView:
    """Time correlation and spectrum of one run; NaN where no replica survived.

    Attributes:
        correlation: velocity autocorrelation function [lag].
        power: power spectrum [n]: of the bond velocity, (A/fs)^2 per cm^-1, or, for more than two atoms, of all normal
            modes together, u (A/fs)^2 per cm^-1.
    """

    correlation: Tensor
    power: Tensor


@dataclass(frozen=True)
class EnergyView:
    """Energies of one run, averaged over windows of whole periods; not finite where a replica diverged.

    Attributes:
        time_ps: centres of the windows [window], ps.
        potential: potential energy above the minimum [replica, window], eV.
        kinetic: kinetic energy [replica, window], eV.
    """

    time_ps: Tensor
    potential: Tensor
    kinetic: Tensor


@dataclass(frozen=True)
class StartView:
    """State of each replica of the reference in the first evaluated frame, and its energy.

    Attributes:
        bond_length: length of the first bond [replica], A.
        bond_velocity: on-step rate of that length [replica], A/fs.
        energy: total energy averaged over the whole reference [replica], eV.
    """

    bond_length: Tensor
    bond_velocity: Tensor
    energy: Tensor


@dataclass(frozen=True)
class LineView:
    """One vibrational line of a molecule with several.

    Attributes:
        line: modes of the line and its harmonic wavenumber.
        reference_cm1: position in the reference, cm^-1; NaN if the modes are at rest.
        shifts: shift of each run, from the replicas that survived; NaN if none did.
    """

    line: SpectralLine
    reference_cm1: float
    shifts: Mapping[str, LineShift]


@dataclass(frozen=True)
class RolloutCurves:
    """All curves of some runs and their reference.

    Attributes:
        n_frames: number of evaluated frames.
        start: first evaluated frame of the reference, replica by replica.
        end_errors: relative energy error at the end, by run; +inf for a replica that diverged [replica].
        energy_errors: time [window], ps, and relative energy error [replica, window], by run.
        energy_ref: energies of the reference.
        energies: energies by run, in the windows of the errors.
        bond_ref: bond lengths of the reference.
        bonds: bond lengths by run.
        lag_fs: lags of the correlation functions [lag], fs.
        wavenumbers: wavenumbers of the spectra [n], cm^-1.
        dynamics_ref: correlation and spectrum of the reference.
        dynamics: the same by run, of the replicas that survived.
        lines: lines of a molecule of more than two atoms, by ascending wavenumber.
    """

    n_frames: int
    start: StartView
    end_errors: Mapping[str, Tensor]
    energy_errors: Mapping[str, tuple[Tensor, Tensor]]
    energy_ref: EnergyView
    energies: Mapping[str, EnergyView]
    bond_ref: BondView
    bonds: Mapping[str, BondView]
    lag_fs: Tensor
    wavenumbers: Tensor
    dynamics_ref: DynamicsView
    dynamics: Mapping[str, DynamicsView]
    lines: tuple[LineView, ...] = ()


def merge_curves(parts: Sequence[RolloutCurves]) -> RolloutCurves:
    """Joins the curves of runs that were evaluated one by one against the same reference.

    Args:
        parts: at least one; each has its own names of runs, and all hold the same reference.
    """
    by_run: dict[str, Any] = {
        field: {name: value for part in parts for name, value in getattr(part, field).items()} for field in _BY_RUN
    }
    together = tuple(
        replace(views[0], shifts={name: shift for view in views for name, shift in view.shifts.items()})
        for views in zip(*(part.lines for part in parts), strict=True)
    )
    return replace(parts[0], **by_run, lines=together)


def shown_wavenumbers(wavenumbers: Tensor, power_ref: Tensor, lines: Sequence[LineView]) -> tuple[float, float]:
    """Range in which spectra are shown, cm^-1: around the line of a diatomic, or over all lines of a molecule.

    Args:
        wavenumbers: evenly spaced [n], at least two, cm^-1.
        power_ref: power spectrum of the reference [n].
        lines: lines of a molecule of more than two atoms; empty for a diatomic.
    """
    if not lines:
        return line_limits(wavenumbers, line_position_cm1(wavenumbers, power_ref))
    stiffest = max(view.line.harmonic_cm1 or 0.0 for view in lines)
    return float(wavenumbers[0]), min(float(wavenumbers[-1]), BEYOND_LINES * stiffest)


def highest_of_every(power: Tensor, every: int) -> Tensor:
    """Thins a spectrum without losing its peaks: the maximum of each ``every`` points, the last group may be smaller.

    >>> highest_of_every(torch.tensor([1.0, 5.0, 2.0, 3.0, 4.0]), 2).tolist()
    [5.0, 3.0, 4.0]
    """
    n = -(-len(power) // every)
    padded = torch.nn.functional.pad(power, (0, n * every - len(power)), value=-torch.inf)
    return padded.reshape(n, every).amax(dim=1)


def bond_limits(shortest: float, longest: float) -> tuple[float, float]:
    """Range of an axis for bond lengths, A: that of the reference and a third of it on either side.

    Lengths beyond, of a run that diverges, are cut off.

    >>> [round(limit, 3) for limit in bond_limits(1.2, 1.5)]
    [1.1, 1.6]
    """
    # A bond that does not vibrate still needs an axis.
    margin = max((longest - shortest) / 3.0, 1e-3 * longest)
    return shortest - margin, longest + margin


def bond_edges(shortest: float, longest: float) -> Tensor:
    """Edges of the bins of bond lengths [bin + 1], A, evenly spaced over `bond_limits`."""
    return torch.linspace(*bond_limits(shortest, longest), N_BINS + 1, dtype=torch.float64)


def bond_at_end(
    run: FrameSource, frame_dt_fs: float, motion: InternalMotion, *, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Times [time], fs, and lengths [time], A, of the first bond of replica 0 over the last 100 fs of a run.

    Args:
        run: the run.
        frame_dt_fs: time between two frames, fs.
        motion: bonds of the molecule.
        first: index of the frame at time zero, and the earliest one shown.
    """
    stop = len(run)
    start = max(first, stop - 1 - max(1, round(END_FS / frame_dt_fs)))
    time_fs = frame_dt_fs * torch.arange(start - first, stop - first, dtype=torch.float64)
    return time_fs, motion.lengths(run.frames(start, stop, slice(0, 1)).positions)[0, :, 0].clone()
