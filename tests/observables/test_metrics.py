import pytest
import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from mlmd.errors import ConfigError
from mlmd.observables import mean_absolute_error, mean_absolute_percentage_error, velocity_accuracy_percent
from mlmd.observables.metrics import VelocityAccuracy, VelocityMAE, VelocityMAPE


def mape(pred: Tensor, true: Tensor) -> Tensor:
    return mean_absolute_percentage_error(pred, true, threshold=0.2)


PAIRS = [
    (VelocityMAE, mean_absolute_error),
    (lambda: VelocityMAPE(threshold=0.2), mape),
    (VelocityAccuracy, velocity_accuracy_percent),
]


def make_data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(30, 2, 3, generator=generator, dtype=torch.float64)
    return true + 0.1 * torch.randn(true.shape, generator=generator, dtype=torch.float64), true


def join(mine: Metric, other: Metric) -> None:
    """Let a metric believe in a second process that holds the other metric's states."""
    mine.distributed_available_fn = lambda: True
    queue = iter([getattr(other, name) for name in mine._reductions])

    def gather(state: Tensor, group: object = None) -> list[Tensor]:
        return [state, next(queue)]

    mine.dist_sync_fn = gather


@pytest.mark.parametrize(("make", "function"), PAIRS)
@pytest.mark.parametrize("sizes", [[30], [1, 29], [7, 8, 15]])
def test_batches_of_any_size_give_the_function_of_the_whole(make, function, sizes):
    pred, true = make_data()
    metric = make()
    for batch_pred, batch_true in zip(pred.split(sizes), true.split(sizes), strict=True):
        metric.update(batch_pred, batch_true)
    torch.testing.assert_close(metric.compute(), function(pred, true), rtol=1e-13, atol=0.0)


@pytest.mark.parametrize(("make", "function"), PAIRS)
def test_processes_give_the_function_of_the_whole(make, function):
    pred, true = make_data()
    mine, other = make(), make()
    mine.update(pred[:4], true[:4])
    other.update(pred[4:], true[4:])
    join(mine, other)
    torch.testing.assert_close(mine.compute(), function(pred, true), rtol=1e-13, atol=0.0)


@pytest.mark.parametrize(("make", "function"), PAIRS)
def test_forward_gives_the_batch_and_reset_forgets(make, function):
    pred, true = make_data()
    metric = make()
    metric(pred[:5], true[:5])
    torch.testing.assert_close(metric(pred[5:9], true[5:9]), function(pred[5:9], true[5:9]), rtol=1e-13, atol=0.0)
    metric.reset()
    metric.update(pred[9:], true[9:])
    torch.testing.assert_close(metric.compute(), function(pred[9:], true[9:]), rtol=1e-13, atol=0.0)


def test_shells_live_in_a_collection():
    # MAE and accuracy have the same first state and would share it if they were taken for one compute group.
    pred, true = make_data()
    collection = MetricCollection({"mae": VelocityMAE(), "accuracy": VelocityAccuracy()})
    for chunk in (slice(0, 10), slice(10, 30)):
        collection.update(pred[chunk], true[chunk])
    scores = collection.compute()
    torch.testing.assert_close(scores["mae"], mean_absolute_error(pred, true))
    torch.testing.assert_close(scores["accuracy"], velocity_accuracy_percent(pred, true))


def test_mape_shell_refuses_a_negative_threshold_at_once():
    with pytest.raises(ConfigError, match="VelocityMAPE"):
        VelocityMAPE(threshold=-0.1)
