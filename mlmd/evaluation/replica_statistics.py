"""What the first reading of a run leaves of each replica."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.observables import energy, momenta
from mlmd.observables.accumulators import Autocorrelation, Moments, Trend, WindowMeans
from mlmd.observables.internal_motion import InternalMotion
from mlmd.state import Trajectory


@dataclass(frozen=True)
class EnergySampling:
    """Frames that are judged, and every k-th of them, the last among them, for what needs a potential energy.

    Attributes:
        n_frames: frames that are judged.
        frame_dt_fs: time between two of them.
        every: k; 1 for all.

    Raises:
        ConfigError: no positive number, or fewer than two energies.
    """

    n_frames: int
    frame_dt_fs: float
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"energy_every = {self.every} must be at least 1")
        if self.n_energies < 2:
            raise ConfigError(
                f"energy_every = {self.every} leaves one energy of {self.n_frames} judged frames, and judging needs "
                "two; lower it"
            )

    @property
    def n_energies(self) -> int:
        """Frames with an energy."""
        return 1 + (self.n_frames - 1) // self.every

    @property
    def dt_fs(self) -> float:
        """Time between two energies."""
        return self.every * self.frame_dt_fs

    @property
    def first(self) -> int:
        """The first frame with an energy."""
        return (self.n_frames - 1) % self.every

    def within(self, start: int) -> slice:
        """Frames with an energy in a stretch that begins with frame ``start``."""
        return slice((self.first - start) % self.every, None, self.every)


@dataclass(frozen=True)
class EvaluationPlan:
    """What is known of a run before it is read.

    Attributes:
        sampling: frames, and those of them whose potential energy is asked for.
        window_energies: energies in a window of the energy error.
        n_lags: lags of the autocorrelation function.
        masses: [atom], u.
        motion: what of the molecule is watched.
    """

    sampling: EnergySampling
    window_energies: int
    n_lags: int
    masses: Tensor
    motion: InternalMotion


class ReplicaStatistics(ABC):
    """Takes the frames of some replicas, stretch by stretch; what is asked of a run and of its reference alike.

    Args:
        judging: what is known beforehand.
        n_replicas: of these.

    Attributes:
        total: total energy, eV.
        lengths: lengths of all bonds together, A.
        first_length: length of the first bond, A.
        vibrational: vibrational kinetic energy, eV.
        rotational: rotational kinetic energy, eV.
        windows: total energy in windows, eV.
        kinetic_windows: kinetic energy in the same windows and frames, eV.
    """

    def __init__(self, judging: EvaluationPlan, n_replicas: int) -> None:
        self._masses, self._motion, self._sampling = judging.masses, judging.motion, judging.sampling
        self.windows, self.kinetic_windows = (
            WindowMeans(n_replicas, judging.sampling.n_energies, judging.window_energies) for _ in range(2)
        )
        self.total, self.lengths, self.first_length = (Moments(n_replicas) for _ in range(3))
        self.vibrational, self.rotational = (Moments(n_replicas) for _ in range(2))
        self._autocorrelation: Autocorrelation | None = Autocorrelation(judging.masses, judging.n_lags)
        self._all_finite = torch.ones(n_replicas, dtype=torch.bool)
        self._seen = 0

    def update(self, frames: Trajectory, potential_energy: Tensor) -> None:
        """Take the next frames and the potential energy of those that have one [replica, energy], eV."""
        positions, velocities = frames.positions, frames.velocities
        kinetic = energy.kinetic_energy(velocities, self._masses)
        sampled = kinetic[:, self._sampling.within(self._seen)]
        self._seen += kinetic.shape[1]
        total = potential_energy + sampled
        self._all_finite &= total.isfinite().all(dim=1) & kinetic.isfinite().all(dim=1)
        self._all_finite &= positions.isfinite().flatten(start_dim=1).all(dim=1)
        # A stretch may lie between two energies.
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
        self._take(frames, total, kinetic)

    @abstractmethod
    def _take(self, frames: Trajectory, total: Tensor, kinetic: Tensor) -> None:
        """What is asked beyond; energies are [replica, energy] and [replica, time], eV."""

    def take_correlation(self) -> Tensor:
        """The velocity autocorrelation function [replica, lag]; what it was made of is forgotten."""
        assert self._autocorrelation is not None
        values = self._autocorrelation.values
        self._autocorrelation = None
        return values

    @property
    def survived(self) -> Tensor:
        """Replicas whose every energy and position is a number [replica]."""
        return self._all_finite

    @property
    def lost_bond(self) -> Tensor:
        """Replicas with a bond length that is no number [replica]."""
        return ~(self.lengths.lowest + self.lengths.highest).isfinite()


class RunStatistics(ReplicaStatistics):
    """Of a run.

    Attributes:
        kinetic: kinetic energy, eV.
        trend: total energy along the run, eV.
        linear_change: largest |P_n - P_0| [replica], u A/fs.
        angular_change: largest |L_n - L_0| [replica], u A^2/fs.
    """

    def __init__(self, judging: EvaluationPlan, n_replicas: int) -> None:
        super().__init__(judging, n_replicas)
        self.kinetic = Moments(n_replicas)
        self.trend = Trend(n_replicas, judging.sampling.n_energies)
        self._start: tuple[Tensor, Tensor] | None = None
        self.linear_change = torch.zeros(n_replicas, dtype=torch.float64)
        self.angular_change = torch.zeros_like(self.linear_change)

    def _take(self, frames: Trajectory, total: Tensor, kinetic: Tensor) -> None:
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
    """Of the reference, in whose scale changes of momenta are told."""

    def __init__(self, judging: EvaluationPlan, n_replicas: int) -> None:
        super().__init__(judging, n_replicas)
        self._sizes, self._angular_sizes = Moments(n_replicas), Moments(n_replicas)
        self._angular_start: Tensor | None = None

    def _take(self, frames: Trajectory, total: Tensor, kinetic: Tensor) -> None:
        positions, velocities, masses = frames.positions, frames.velocities, self._masses
        if self._angular_start is None:
            self._angular_start = momenta.angular_momentum(positions[:, :1], velocities[:, :1], masses)[:, 0]
        self._sizes.update(torch.linalg.vector_norm(velocities, dim=-1) @ masses)
        self._angular_sizes.update(momenta.angular_momentum_size(positions, velocities, masses))

    @property
    def linear_scale(self) -> Tensor:
        """What a change of the linear momentum is compared with [replica], u A/fs."""
        return self._sizes.mean

    @property
    def angular_scale(self) -> Tensor:
        """What a change of the angular momentum is compared with [replica], u A^2/fs."""
        assert self._angular_start is not None
        return momenta.scale_of_start(self._angular_start, self._angular_sizes.mean)


def _largest(vectors: Tensor) -> Tensor:
    longest: Tensor = torch.linalg.vector_norm(vectors, dim=-1).amax(dim=-1)
    return longest


def pooled_moments(moments: list[Moments], chosen: list[Tensor]) -> tuple[float, float]:
    """Mean and standard deviation of all values of the chosen replicas together.

    Args:
        moments: of groups of replicas, all of equally many values.
        chosen: of each group, which replicas [replica].
    """
    means = torch.cat([group.mean[keep] for group, keep in zip(moments, chosen, strict=True)])
    variances = torch.cat([group.variance[keep] for group, keep in zip(moments, chosen, strict=True)])
    return float(means.mean()), float((variances.mean() + means.var(correction=0)).sqrt())
