"""torchmetrics around the pure functions, summed over batches and over processes of a distributed run."""

import torch
from torch import Tensor
from torchmetrics import Metric

from mlmd.errors import ConfigError
from mlmd.observables.errors import absolute_error_sums, percentage_error_sums
from mlmd.observables.kick_error_work import WorkSums, work_per_period, work_sums


def _zero() -> Tensor:
    # float64: a float32 count stops at 2^24, which one epoch of short frames exceeds.
    return torch.zeros((), dtype=torch.float64)


class VelocityMAE(Metric):
    """Mean absolute error over everything seen, see :func:`~mlmd.observables.errors.mean_absolute_error`.

    >>> metric = VelocityMAE()
    >>> metric.update(torch.tensor([1.0]), torch.tensor([2.0]))
    >>> metric.update(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 5.0]))
    >>> float(metric.compute())
    2.0
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    error_sum: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("error_sum", _zero(), dist_reduce_fx="sum")
        self.add_state("count", _zero(), dist_reduce_fx="sum")

    def update(self, pred: Tensor, true: Tensor) -> None:
        """Add a batch; any shape, A/fs."""
        error_sum, count = absolute_error_sums(pred, true)
        self.error_sum += error_sum
        self.count += count

    def compute(self) -> Tensor:
        """The error, A/fs."""
        return self.error_sum / self.count


class VelocityMAPE(Metric):
    """Mean absolute percentage error over everything seen above the threshold.

    See :func:`~mlmd.observables.errors.mean_absolute_percentage_error`.

    Args:
        threshold: elements with |true| at or below it are left out, A/fs.

    Raises:
        ConfigError: the threshold is negative.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    ratio_sum: Tensor
    count: Tensor

    def __init__(self, *, threshold: float) -> None:
        super().__init__()
        if not threshold >= 0:
            raise ConfigError(f"threshold of VelocityMAPE is {threshold}; give zero or a positive speed in A/fs")
        self.threshold = threshold
        self.add_state("ratio_sum", _zero(), dist_reduce_fx="sum")
        self.add_state("count", _zero(), dist_reduce_fx="sum")

    def update(self, pred: Tensor, true: Tensor) -> None:
        """Add a batch; any shape, A/fs."""
        ratio_sum, count = percentage_error_sums(pred, true, threshold=self.threshold)
        self.ratio_sum += ratio_sum
        self.count += count

    def compute(self) -> Tensor:
        """The error, percent; NaN when nothing was above the threshold."""
        return 100.0 * self.ratio_sum / self.count


class VelocityAccuracy(Metric):
    """Velocity accuracy over everything seen, see :func:`~mlmd.observables.errors.velocity_accuracy_percent`."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    error_sum: Tensor
    size_sum: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("error_sum", _zero(), dist_reduce_fx="sum")
        self.add_state("size_sum", _zero(), dist_reduce_fx="sum")

    def update(self, pred: Tensor, true: Tensor) -> None:
        """Add a batch; any shape, A/fs."""
        self.error_sum += absolute_error_sums(pred, true)[0]
        self.size_sum += true.double().abs().sum()

    def compute(self) -> Tensor:
        """The accuracy, percent."""
        return 100.0 * (1.0 - self.error_sum / self.size_sum)


class WorkError(Metric):
    """Work of the kick errors over a period, see :func:`~mlmd.observables.kick_error_work.work_error_per_period`.

    Args:
        masses: [atom], u.
        steps_per_period: MD steps in a period.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    def __init__(self, masses: Tensor, *, steps_per_period: float) -> None:
        super().__init__()
        self.masses = masses
        self.steps_per_period = steps_per_period
        for name in WorkSums._fields:
            self.add_state(name, _zero(), dist_reduce_fx="sum")

    def update(self, pred: Tensor, true: Tensor, velocities: Tensor) -> None:
        """Add a batch [replica, time, atom, xyz], A/fs."""
        sums = work_sums(pred, true, velocities, self.masses.to(velocities.device))
        for name, value in sums._asdict().items():
            setattr(self, name, getattr(self, name) + value)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Of all replicas, and its spread over them, in units of the mean kinetic energy."""
        sums = WorkSums(*(getattr(self, name) for name in WorkSums._fields))
        return work_per_period(sums, steps_per_period=self.steps_per_period)
