import pytest
import torch

from mlmd.errors import DataError
from mlmd.observables import kinetic_energy, work_error_per_period
from mlmd.observables.metrics import WorkError
from mlmd.units import ACCELERATION

MASSES = torch.tensor([1.008, 34.969], dtype=torch.float64)
STEPS_PER_PERIOD = 22.0


@pytest.fixture
def velocities():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(5, 40, 2, 3, generator=generator, dtype=torch.float64)


def both(pred, true, on_step):
    given = {"masses": MASSES, "steps_per_period": STEPS_PER_PERIOD}
    return [float(value) for value in work_error_per_period(pred, true, on_step, **given)]


def test_the_work_is_the_direct_sum(velocities):
    error = 1e-3 * torch.randn(velocities.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    work = (MASSES[:, None] * velocities * error).sum(dim=(-2, -1)) / ACCELERATION
    scale = STEPS_PER_PERIOD / float(kinetic_energy(velocities, MASSES).mean())
    mean, spread = both(velocities + error, velocities, velocities)
    assert mean == pytest.approx(abs(float(work.mean())) * scale, rel=1e-10)
    assert spread == pytest.approx(float(work.mean(dim=1).square().mean().sqrt()) * scale, rel=1e-10)
    assert mean < spread


def test_the_work_is_the_first_order_change_of_the_kinetic_energy(velocities):
    error = 1e-6 * velocities.flip(0)
    gained = kinetic_energy(velocities + error, MASSES) - kinetic_energy(velocities, MASSES)
    expected = abs(float(gained.mean() / kinetic_energy(velocities, MASSES).mean())) * STEPS_PER_PERIOD
    assert both(velocities + error, velocities, velocities)[0] == pytest.approx(expected, rel=1e-4)


def test_replicas_that_heat_and_cool_cancel_in_the_mean_alone(velocities):
    pair = velocities[:1].repeat(2, 1, 1, 1)
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64)[:, None, None, None]
    mean, spread = both(pair + 1e-3 * sign * pair, pair, pair)
    assert mean == pytest.approx(0.0, abs=1e-12)
    assert spread == pytest.approx(2e-3 * STEPS_PER_PERIOD, rel=1e-9)


def test_errors_across_the_velocity_do_no_work():
    along, across = torch.zeros(1, 3, 2, 3, dtype=torch.float64), torch.zeros(1, 3, 2, 3, dtype=torch.float64)
    along[..., 0], across[..., 1] = 0.1, 0.05
    assert both(along + across, along, along) == [0.0, 0.0]


@pytest.mark.parametrize("sizes", [[5], [1, 4], [2, 2, 1]])
def test_batches_of_replicas_give_the_function_of_the_whole(velocities, sizes):
    pred = velocities * (1.0 + 1e-3 * torch.arange(5.0, dtype=torch.float64)[:, None, None, None])
    metric = WorkError(MASSES, steps_per_period=STEPS_PER_PERIOD)
    for batch_pred, batch in zip(pred.split(sizes), velocities.split(sizes), strict=True):
        metric.update(batch_pred, batch, batch)
    assert [float(value) for value in metric.compute()] == pytest.approx(both(pred, velocities, velocities), rel=1e-12)
    metric.reset()
    metric.update(velocities, velocities, velocities)
    assert [float(value) for value in metric.compute()] == [0.0, 0.0]


def test_what_does_not_match_is_refused(velocities):
    with pytest.raises(DataError, match=r"pred has shape \(4, 40, 2, 3\) and true \(5, 40, 2, 3\)"):
        both(velocities[1:], velocities, velocities)
    with pytest.raises(DataError, match="velocities has shape"):
        both(velocities, velocities, velocities[:, 1:])
    with pytest.raises(DataError, match="at least one replica and one frame"):
        both(velocities[:, :0], velocities[:, :0], velocities[:, :0])
