"""Builds the curves of an evaluation from its two passes over the frames."""

from collections.abc import Sequence
from math import nan

import torch
from torch import Tensor

from mlmd.evaluation.chunked_frames import ChunkedFrames
from mlmd.evaluation.curves import BondView, DynamicsView, EnergyView, LineView, RolloutCurves, StartView, bond_at_end
from mlmd.evaluation.distribution_pass import DistributionPass
from mlmd.evaluation.evaluation_plan import EvaluationPlan
from mlmd.evaluation.per_replica_pass import PerReplicaPass
from mlmd.evaluation.replica_statistics import ReplicaStatistics
from mlmd.evaluation.rollout_scores import end_errors, energy_errors
from mlmd.observables.internal_motion import InternalMotion
from mlmd.observables.spectral_lines import LineShift, line_shifts, reference_lines
from mlmd.state import FrameSource
from mlmd.units import FS_PER_PS


def rollout_curves(
    chunked: ChunkedFrames, plan: EvaluationPlan, per_replica: PerReplicaPass, distributions: DistributionPass
) -> RolloutCurves:
    """Curves of all runs and their reference.

    Args:
        chunked: runs and reference.
        plan: what was fixed beforehand.
        per_replica: results of the first pass.
        distributions: results of the second pass.
    """
    motion, sampling = plan.motion, plan.sampling
    spectra_ref = distributions.spectrum_ref.result()
    power_ref = spectra_ref.total(motion.lines)
    correlation_ref = per_replica.correlation_ref / chunked.reference.n_replicas

    def dynamics_of(name: str) -> DynamicsView:
        if name not in distributions.spectra:
            return DynamicsView(torch.full_like(correlation_ref, torch.nan), torch.full_like(power_ref, torch.nan))
        correlation = per_replica.correlations[name][0] / per_replica.n_survivors(name)
        return DynamicsView(correlation, distributions.spectra[name][0].result().total(motion.lines))

    def bond_of(source: FrameSource, groups: Sequence[ReplicaStatistics], counts: Tensor) -> BondView:
        widths = distributions.edges.diff()
        first = groups[0].first_length
        return BondView(
            *bond_at_end(source, chunked.frame_dt_fs, motion, first=chunked.first),
            distributions.edges,
            counts / (source.n_replicas * chunked.n_frames * motion.n_bonds * widths),
            (float(first.lowest[0]), float(first.highest[0])),
            source.n_replicas,
            sum(int(each.lost_bond.sum()) for each in groups),
            motion.first_bond,
        )

    centres = per_replica.reference[0].windows.centres
    time_ps = (sampling.first * chunked.frame_dt_fs + centres * sampling.dt_fs) / FS_PER_PS

    def energies_of(groups: Sequence[ReplicaStatistics]) -> EnergyView:
        kinetic = torch.cat([each.kinetic_windows.means for each in groups])
        return EnergyView(time_ps, torch.cat([each.windows.means for each in groups]) - kinetic, kinetic)

    return RolloutCurves(
        n_frames=chunked.n_frames,
        start=_start(chunked, motion, per_replica),
        end_errors={name: end_errors(name, per_replica) for name in chunked.runs},
        energy_errors={name: (time_ps, energy_errors(name, per_replica)) for name in chunked.runs},
        energy_ref=energies_of(per_replica.reference),
        energies={name: energies_of(per_replica.runs[name]) for name in chunked.runs},
        bond_ref=bond_of(chunked.reference, per_replica.reference, distributions.counts_ref),
        bonds={
            name: bond_of(run, per_replica.runs[name], distributions.counts[name]) for name, run in chunked.runs.items()
        },
        lag_fs=chunked.frame_dt_fs * torch.arange(plan.n_lags, dtype=torch.float64),
        wavenumbers=spectra_ref.wavenumbers,
        dynamics_ref=DynamicsView(correlation_ref, power_ref),
        dynamics={name: dynamics_of(name) for name in chunked.runs},
        lines=_lines(chunked, motion, distributions) if motion.has_modes else (),
    )


def _lines(chunked: ChunkedFrames, motion: InternalMotion, distributions: DistributionPass) -> tuple[LineView, ...]:
    positions = reference_lines(distributions.spectrum_ref.result(), motion.lines)
    nothing = [LineShift(nan, nan)] * len(motion.lines)
    by_run = dict.fromkeys(chunked.runs, nothing)
    for name, (run, reference) in distributions.spectra.items():
        by_run[name] = line_shifts(run.result(), reference.result(), motion.lines)
    return tuple(
        LineView(line, position, {name: shifts[index] for name, shifts in by_run.items()})
        for index, (line, position) in enumerate(zip(motion.lines, positions, strict=True))
    )


def _start(chunked: ChunkedFrames, motion: InternalMotion, per_replica: PerReplicaPass) -> StartView:
    frame = chunked.reference.frames(chunked.first, chunked.first + 1)
    return StartView(
        motion.lengths(frame.positions)[:, 0, 0],
        motion.first_rate(frame.positions, frame.velocities)[:, 0],
        torch.cat([group.total.mean for group in per_replica.reference]),
    )
