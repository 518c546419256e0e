"""Accumulates, chunk by chunk, the statistics of each replica from which scores and curves are computed."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from mlmd.evaluation.evaluation_plan import EvaluationPlan
from mlmd.observables import energy, momenta
from mlmd.observables.accumulators import Autocorrelation, Moments, Trend, WindowMeans
from mlmd.observables.errors import require_same_shape
from mlmd.state import Trajectory


class ReplicaStatistics(ABC):
    """Statistics that are needed of a run and of its reference alike, for one group of replicas.

    Args:
        plan: what is fixed beforehand.
        n_replicas: number of replicas in the group.

    Attributes:
        total: total energy, eV.
        lengths: lengths of all bonds together, A.
        first_length: length of the first bond, A.
        vibrational: vibrational kinetic energy, eV.
        rotational: rotational kinetic energy, eV.
        windows: total energy in windows, eV.
        kinetic_windows: kinetic energy of the same frames in the same windows, eV.
    """

    def __init__(self, plan: EvaluationPlan, n_replicas: int) -> None:
        self._masses, self._motion, self._sampling = plan.masses, plan.motion, plan.sampling
        self.windows, self.kinetic_windows = (
            WindowMeans(n_replicas, plan.sampling.n_energies, plan.window_energies) for _ in range(2)
        )
        self.total, self.lengths, self.first_length = (Moments(n_replicas) for _ in range(3))
        self.vibrational, self.rotational = (Moments(n_replicas) for _ in range(2))
        self._autocorrelation: Autocorrelation | None = Autocorrelation(plan.masses, plan.n_lags)
        self._all_finite = torch.ones(n_replicas, dtype=torch.bool)
        self._n_seen = 0

    def update(self, frames: Trajectory, potential_energy: Tensor) -> None:
        """Adds the next frames.

        Args:
            frames: the next frames of the group.
            potential_energy: potential energy of the frames that have one [replica, energy], eV.

        Raises:
            DataError: there are not as many energies as frames that need one.
        """
        positions, velocities = frames.positions, frames.velocities
        kinetic = energy.kinetic_energy(velocities, self._masses)
        sampled = kinetic[:, self._sampling.within(self._n_seen)]
        require_same_shape(potential_energy, sampled, names=("potential_energy", "kinetic_energy"))
        self._n_seen += kinetic.shape[1]
        total = potential_energy + sampled
        self._all_finite &= total.isfinite().all(dim=1) & kinetic.isfinite().all(dim=1)
        self._all_finite &= positions.isfinite().flatten(start_dim=1).all(dim=1)
        # A chunk may lie between two energies.
        if total.shape[1]:
            self.total.update(total)
            self.windows.update(total)
            self.kinetic_windows.update(sampled)
        lengths = self._motion.lengths(positions)
        self.lengths.update(lengths.flatten(start_dim=1))
        self.first_length.update(lengths[..., 0])
        parts = self._motion.partition(positions, velocities, self._masses)
        self.vibrational.update(parts.vibrational)
        self.rotational.update(parts.rotational)
        if self._autocorrelation is not None:
            self._autocorrelation.update(velocities)
        self._update_own(frames, total, kinetic)

    @abstractmethod
    def _update_own(self, frames: Trajectory, total: Tensor, kinetic: Tensor) -> None:
        """Adds to the statistics of the subclass; energies are [replica, energy] and [replica, time], eV."""

    def take_correlation(self) -> Tensor:
        """Returns the velocity autocorrelation function [replica, lag] and frees the memory of its accumulator."""
        assert self._autocorrelation is not None
        values = self._autocorrelation.values
        self._autocorrelation = None
        return values

    @property
    def survived(self) -> Tensor:
        """Mask of the replicas in which every energy and position is finite [replica]."""
        return self._all_finite

    @property
    def lost_bond(self) -> Tensor:
        """Mask of the replicas with a bond length that is not finite [replica]."""
        return ~(self.lengths.lowest + self.lengths.highest).isfinite()


class RunStatistics(ReplicaStatistics):
    """Statistics of a run.

    Attributes:
        kinetic: kinetic energy, eV.
        trend: slope of the total energy along the run, eV per energy sample.
        linear_change: largest |P_n - P_0| [replica], u A/fs.
        angular_change: largest |L_n - L_0| [replica], u A^2/fs.
    """

    def __init__(self, plan: EvaluationPlan, n_replicas: int) -> None:
        super().__init__(plan, n_replicas)
        self.kinetic = Moments(n_replicas)
        self.trend = Trend(n_replicas, plan.sampling.n_energies)
        self._start: tuple[Tensor, Tensor] | None = None
        self.linear_change = torch.zeros(n_replicas, dtype=torch.float64)
        self.angular_change = torch.zeros_like(self.linear_change)

    def _update_own(self, frames: Trajectory, total: Tensor, kinetic: Tensor) -> None:
        self.kinetic.update(kinetic)
        if total.shape[1]:
            self.trend.update(total)
        linear = momenta.linear_momentum(frames.velocities, self._masses)
        angular = momenta.angular_momentum(frames.positions, frames.velocities, self._masses)
        if self._start is None:
            self._start = linear[:, :1].clone(), angular[:, :1].clone()
        self.linear_change = torch.maximum(self.linear_change, _largest(linear - self._start[0]))
        self.angular_change = torch.maximum(self.angular_change, _largest(angular - self._start[1]))


class ReferenceStatistics(ReplicaStatistics):
    """Statistics of the reference, which also set the scale of the momentum errors."""

    def __init__(self, plan: EvaluationPlan, n_replicas: int) -> None:
        super().__init__(plan, n_replicas)
        self._sizes, self._angular_sizes = Moments(n_replicas), Moments(n_replicas)
        self._angular_start: Tensor | None = None

    def _update_own(self, frames: Trajectory, total: Tensor, kinetic: Tensor) -> None:
        positions, velocities, masses = frames.positions, frames.velocities, self._masses
        if self._angular_start is None:
            self._angular_start = momenta.angular_momentum(positions[:, :1], velocities[:, :1], masses)[:, 0]
        self._sizes.update(torch.linalg.vector_norm(velocities, dim=-1) @ masses)
        self._angular_sizes.update(momenta.angular_momentum_size(positions, velocities, masses))

    @property
    def linear_scale(self) -> Tensor:
        """Scale of a change of the linear momentum [replica], u A/fs."""
        return self._sizes.mean

    @property
    def angular_scale(self) -> Tensor:
        """Scale of a change of the angular momentum [replica], u A^2/fs."""
        assert self._angular_start is not None
        return momenta.scale_of_start(self._angular_start, self._angular_sizes.mean)


def _largest(vectors: Tensor) -> Tensor:
    longest: Tensor = torch.linalg.vector_norm(vectors, dim=-1).amax(dim=-1)
    return longest


def pooled_moments(moments: list[Moments], chosen: list[Tensor]) -> tuple[float, float]:
    """Mean and standard deviation over all values of the chosen replicas.

    Args:
        moments: moments of each group of replicas, all over the same number of values.
        chosen: mask of the chosen replicas of each group [replica].
    """
    means = torch.cat([group.mean[keep] for group, keep in zip(moments, chosen, strict=True)])
    variances = torch.cat([group.variance[keep] for group, keep in zip(moments, chosen, strict=True)])
    return float(means.mean()), float((variances.mean() + means.var(correction=0)).sqrt())
