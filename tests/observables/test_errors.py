import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import mean_absolute_error as torchmetrics_mae

from mlmd.errors import ConfigError, DataError
from mlmd.observables import mean_absolute_error, mean_absolute_percentage_error, median, velocity_accuracy_percent


@pytest.fixture
def velocities() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(4, 50, 2, 3, generator=generator, dtype=torch.float64)
    return true + 0.01 * torch.randn(true.shape, generator=generator, dtype=torch.float64), true


def test_mae_is_that_of_torchmetrics(velocities):
    torch.testing.assert_close(mean_absolute_error(*velocities), torchmetrics_mae(*velocities))


def test_mape_is_the_direct_sum_over_elements_above_the_threshold(velocities):
    pred, true = (tensor.numpy() for tensor in velocities)
    above = np.abs(true) > 0.3
    expected = 100 * np.mean(np.abs((pred - true)[above] / true[above]))
    assert float(mean_absolute_percentage_error(*velocities, threshold=0.3)) == pytest.approx(expected, rel=1e-12)


def test_mape_leaves_out_elements_at_the_threshold_and_zeros():
    true = torch.tensor([0.0, 0.5, -1.0])
    pred = torch.tensor([9.0, 9.0, -1.1])
    assert float(mean_absolute_percentage_error(pred, true, threshold=0.5)) == pytest.approx(10.0, rel=1e-5)


def test_mape_without_an_element_is_nan():
    assert math.isnan(mean_absolute_percentage_error(torch.ones(2), torch.zeros(2), threshold=0.0))


@pytest.mark.parametrize("threshold", [-1.0, math.nan])
def test_mape_refuses_a_threshold_that_excludes_nothing(threshold):
    with pytest.raises(ConfigError, match="zero or a positive"):
        mean_absolute_percentage_error(torch.ones(2), torch.ones(2), threshold=threshold)


def test_accuracy_is_the_direct_sum(velocities):
    pred, true = (tensor.numpy() for tensor in velocities)
    expected = 100 * (1 - np.abs(pred - true).sum() / np.abs(true).sum())
    assert float(velocity_accuracy_percent(*velocities)) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)  # the first call sets up the library
@given(error=st.floats(-2.0, 2.0))
def test_accuracy_of_a_relative_error_is_one_less_that_error(error):
    true = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
    accuracy = float(velocity_accuracy_percent((1 + error) * true, true))
    assert accuracy == pytest.approx(100 * (1 - abs(error)), abs=1e-10)


def test_float32_predictions_are_summed_in_float64():
    true = torch.full((2_000_000,), 0.1)
    assert mean_absolute_error(true, true).dtype == torch.float64
    assert float(mean_absolute_error(true + 1.0, true)) == pytest.approx(float((true[0] + 1.0) - true[0]), rel=1e-6)


@pytest.mark.parametrize("function", [mean_absolute_error, velocity_accuracy_percent])
def test_shapes_that_would_broadcast_are_refused(function):
    with pytest.raises(DataError, match=r"pred has shape \(3,\) and true \(2, 3\)"):
        function(torch.ones(3), torch.ones(2, 3))


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_median_is_numpys(values):
    assert float(median(torch.tensor(values, dtype=torch.float64))) == pytest.approx(np.median(values), rel=1e-12)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, math.inf], math.inf), ([math.inf, math.inf], math.inf), ([1.0, 2.0, math.inf], 2.0), ([], math.nan)],
)
def test_median_counts_infinities(values, expected):
    assert float(median(torch.tensor(values))) == pytest.approx(expected, nan_ok=True)


def test_median_of_a_nan_is_nan():
    assert math.isnan(median(torch.tensor([1.0, math.nan, 2.0])))
