"""What a figure shows of a run: curves of a bounded number of points, whatever the length of the run."""

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
"""The last stretch of a run in which its bond is shown, about eight periods."""

N_BINS = 80

BEYOND_LINES = 1.15
"""A spectrum with several lines is shown from nothing to this times the stiffest."""

_BY_RUN = ("end_errors", "energy_errors", "energies", "bonds", "dynamics")


@dataclass(frozen=True)
class BondView:
    """The bond lengths of one run.

    Attributes:
        time_fs: times of the last frames [time], the first frame of the run at zero.
        lengths: length of the first bond of the first replica at these times [time], A.
        edges: of the bins of the distribution [bin + 1], A.
        density: share of all bonds, replicas and frames in a bin, per A [bin]; beyond the edges, or no numbers, is
            missing.
        first_range: shortest and longest that bond was in the whole run, A.
        n_replicas: replicas.
        n_diverged: replicas with a bond length that is not finite.
        first_bond: which bond is the first, e.g. "O1-H2"; empty where there is but one.
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
    """Time correlation and spectrum of one run, NaN where no replica survived.

    Attributes:
        correlation: velocity autocorrelation function [lag].
        power: of the bond velocity [n], (A/fs)^2 per cm^-1; of more than two atoms, of all normal modes together,
            u (A/fs)^2 per cm^-1.
    """

    correlation: Tensor
    power: Tensor


@dataclass(frozen=True)
class EnergyView:
    """Energies of one run, means over windows of whole periods; not finite where a replica diverged.

    Attributes:
        time_ps: centres of the windows [window].
        potential: from the minimum of the potential [replica, window], eV.
        kinetic: [replica, window], eV.
    """

    time_ps: Tensor
    potential: Tensor
    kinetic: Tensor


@dataclass(frozen=True)
class StartView:
    """Where each replica of the reference stands when the judged part begins, and the energy it keeps.

    Attributes:
        bond_length: of the first bond [replica], A.
        bond_velocity: rate of that length, on-step [replica], A/fs.
        energy: mean total energy of the whole reference [replica], eV.
    """

    bond_length: Tensor
    bond_velocity: Tensor
    energy: Tensor


@dataclass(frozen=True)
class LineView:
    """A vibrational line of a molecule with several.

    Attributes:
        line: its modes, and where it would lie for small amplitudes.
        reference_cm1: where it is in the reference, NaN where the modes are at rest.
        shifts: by run, of the replicas that survived; NaN where none did.
    """

    line: SpectralLine
    reference_cm1: float
    shifts: Mapping[str, LineShift]


@dataclass(frozen=True)
class RolloutCurves:
    """All that is drawn and kept of runs and their reference.

    Attributes:
        n_frames: frames judged.
        start: of the reference, replica by replica.
        end_errors: by run, relative energy error at its end, +inf where the replica diverged [replica].
        energy_errors: by run, time [window], ps, and relative energy error [replica, window].
        energy_ref: of the reference.
        energies: by run, in the windows of the errors.
        bond_ref: the reference's bond.
        bonds: by run.
        lag_fs: [lag].
        wavenumbers: [n], cm^-1.
        dynamics_ref: of the reference.
        dynamics: by run, of the replicas that survived.
        lines: of a molecule of more than two atoms, from the softest to the stiffest.
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
    """The curves of runs that were judged one by one against the same reference, at least one.

    Args:
        parts: each with names of its own; what they hold of the reference is the same.
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
    """From where to where spectra are shown, cm^-1: around the one line of a bond, or over all lines.

    Args:
        wavenumbers: evenly spaced [n], at least two, cm^-1.
        power_ref: of the reference [n].
        lines: of a molecule of more than two atoms, or none.
    """
    if not lines:
        return line_limits(wavenumbers, line_position_cm1(wavenumbers, power_ref))
    stiffest = max(view.line.harmonic_cm1 or 0.0 for view in lines)
    return float(wavenumbers[0]), min(float(wavenumbers[-1]), BEYOND_LINES * stiffest)


def highest_of_every(power: Tensor, every: int) -> Tensor:
    """A spectrum of fewer points that keeps its peaks: the highest of every so many [n], the last of fewer.

    >>> highest_of_every(torch.tensor([1.0, 5.0, 2.0, 3.0, 4.0]), 2).tolist()
    [5.0, 3.0, 4.0]
    """
    n = -(-len(power) // every)
    padded = torch.nn.functional.pad(power, (0, n * every - len(power)), value=-torch.inf)
    return padded.reshape(n, every).amax(dim=1)


def bond_limits(shortest: float, longest: float) -> tuple[float, float]:
    """From the shortest to the longest bond and a third of that beyond; a run that explodes is cut.

    >>> [round(limit, 3) for limit in bond_limits(1.2, 1.5)]
    [1.1, 1.6]
    """
    # A bond that does not vibrate still needs an axis.
    margin = max((longest - shortest) / 3.0, 1e-3 * longest)
    return shortest - margin, longest + margin


def bond_edges(shortest: float, longest: float) -> Tensor:
    """Edges of the bins in which bonds are counted for a figure, between the limits of its axis."""
    return torch.linspace(*bond_limits(shortest, longest), N_BINS + 1, dtype=torch.float64)


def bond_at_end(
    run: FrameSource, frame_dt_fs: float, motion: InternalMotion, *, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Times, fs from frame ``first`` on, and lengths, A, of replica 0's first bond at the end of a run [time]."""
    stop = len(run)
    start = max(first, stop - 1 - max(1, round(END_FS / frame_dt_fs)))
    time_fs = frame_dt_fs * torch.arange(start - first, stop - first, dtype=torch.float64)
    return time_fs, motion.lengths(run.frames(start, stop, slice(0, 1)).positions)[0, :, 0].clone()
