"""One-step errors of predicted velocities.

The sums behind each error are separate functions, so that the stateful shells in ``metrics`` add the same numbers up
over batches and processes.
"""

import torch
from torch import Tensor

from mlmd.errors import ConfigError, DataError


def require_same_shape(first: Tensor, second: Tensor, *, names: tuple[str, str] = ("pred", "true")) -> None:
    """Refuse two tensors that broadcasting would pair silently and wrongly.

    Raises:
        DataError: the shapes differ.
    """
    if first.shape != second.shape:
        raise DataError(
            f"{names[0]} has shape {tuple(first.shape)} and {names[1]} {tuple(second.shape)}; "
            "give both the same replicas, frames and atoms"
        )


def absolute_error_sums(pred: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of |pred - true| and the number of elements, both float64 scalars.

    Args:
        pred: predictions, any shape and unit.
        true: references, same shape and unit.

    Raises:
        DataError: the shapes differ.
    """
    require_same_shape(pred, true)
    # Sums in float64: a float32 network's errors are small differences of many elements.
    difference = (pred.double() - true.double()).abs()
    return difference.sum(), torch.tensor(float(true.numel()), dtype=torch.float64, device=true.device)


def percentage_error_sums(pred: Tensor, true: Tensor, *, threshold: float) -> tuple[Tensor, Tensor]:
    """Sum of |pred - true| / |true| over the elements with |true| > threshold, and their number, float64 scalars.

    Args:
        pred: predictions, any shape and unit.
        true: references, same shape and unit.
        threshold: in the unit of ``true``.

    Raises:
        DataError: the shapes differ.
        ConfigError: the threshold is negative.
    """
    require_same_shape(pred, true)
    if not threshold >= 0:
        raise ConfigError(f"threshold of the percentage error is {threshold}; give zero or a positive speed")
    size = true.double().abs()
    counted = size > threshold
    ratio = (pred.double() - true.double()).abs() / size
    return torch.where(counted, ratio, 0.0).sum(), counted.sum().double()


def mean_absolute_error(pred: Tensor, true: Tensor) -> Tensor:
    """Mean of |pred - true| over all elements, scalar in the unit of the inputs.

    Args:
        pred: predictions, any shape and unit.
        true: references, same shape and unit.

    Raises:
        DataError: the shapes differ.

    >>> float(mean_absolute_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])))
    1.0
    """
    error_sum, count = absolute_error_sums(pred, true)
    return error_sum / count


def mean_absolute_percentage_error(pred: Tensor, true: Tensor, *, threshold: float) -> Tensor:
    """Mean of |pred - true| / |true| over the elements with |true| > threshold, in percent.

    A velocity passes zero twice a period and the ratio is unbounded there, so the threshold belongs beside every number
    that is quoted. NaN when no element is above it.

    Args:
        pred: predictions, any shape and unit.
        true: references, same shape and unit.
        threshold: elements with |true| at or below it are left out; in the unit of ``true``.

    Raises:
        DataError: the shapes differ.
        ConfigError: the threshold is negative.

    >>> true = torch.tensor([2.0, 1e-9])
    >>> float(mean_absolute_percentage_error(torch.tensor([1.0, 5.0]), true, threshold=1e-6))
    50.0
    """
    ratio_sum, count = percentage_error_sums(pred, true, threshold=threshold)
    return 100.0 * ratio_sum / count


def velocity_accuracy_percent(pred: Tensor, true: Tensor) -> Tensor:
    """Velocity accuracy, 100 % * (1 - sum|v - v_ref| / sum|v_ref|).

    Our reading of the measure behind the preprint's "above 99.9 %". 100 is perfect, 0 is what a prediction
    of zeros scores, and worse than that is negative.

    Args:
        pred: predicted velocities v, any shape, A/fs.
        true: reference velocities v_ref, same shape, A/fs.

    Raises:
        DataError: the shapes differ.

    >>> float(velocity_accuracy_percent(torch.tensor([3.0, -1.0]), torch.tensor([3.0, -2.0])))
    80.0
    """
    error_sum, _ = absolute_error_sums(pred, true)
    return 100.0 * (1.0 - error_sum / true.double().abs().sum())


def median(values: Tensor) -> Tensor:
    """Median that counts infinities: the mean of the two middle values when their number is even.

    ``torch.median`` takes the lower of the two and ``torch.quantile`` turns two infinities into NaN.

    Args:
        values: any numbers [n]; NaN when there are none or one of them is NaN.

    >>> float(median(torch.tensor([4.0, 1.0, float("inf"), 2.0])))
    3.0
    """
    if values.numel() == 0 or bool(values.isnan().any()):
        return values.new_tensor(float("nan"))
    ordered = values.flatten().sort().values
    middle = (ordered.numel() - 1) // 2
    return ordered[middle] if ordered.numel() % 2 else 0.5 * (ordered[middle] + ordered[middle + 1])
