import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from mlmd.reporting import RunLabel
from mlmd.reporting.dynamics import DECADES, draw_dynamics

LINE_CM1 = 3000.0
LAG_FS = 0.5 * torch.arange(3001, dtype=torch.float64)
WAVENUMBERS = torch.arange(0.0, 8000.0, 1.0, dtype=torch.float64)


def _vacf(period_fs: float = 11.1) -> Tensor:
    return torch.cos(2 * math.pi * LAG_FS / period_fs)


def _spectrum(centre_cm1: float = LINE_CM1) -> Tensor:
    return torch.exp(-0.5 * ((WAVENUMBERS - centre_cm1) / 3.0).square())


def _draw(label: RunLabel, vacfs: dict[str, Tensor], spectra: dict[str, Tensor], line: float = LINE_CM1) -> Figure:
    return draw_dynamics(LAG_FS, _vacf(), vacfs, WAVENUMBERS, _spectrum(), spectra, line, label)


def _names(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_vacf_is_drawn_over_the_first_ps_and_its_end_enlarged(label: RunLabel) -> None:
    figure = _draw(label, {"f = 0.01": _vacf(11.2)}, {"f = 0.01": _spectrum(2990.0)})
    whole, _, end = figure.axes
    for axes in (whole, end):
        reference, rollout = axes.lines
        assert reference.get_xdata()[[0, -1]].tolist() == [0.0, 1000.0]
        assert np.array_equal(reference.get_ydata(), _vacf()[:2001].numpy())
        assert np.array_equal(rollout.get_ydata(), _vacf(11.2)[:2001].numpy())
    assert whole.get_xlim() == (0.0, 1000.0)
    assert end.get_xlim() == (900.0, 1000.0)
    assert end.get_xlabel() == "lag time (fs)"
    assert _names(figure) == ["reference", "f = 0.01", "reference line, 3000.0 cm⁻¹"]


def test_spectrum_is_drawn_around_the_line_on_a_log_axis(label: RunLabel) -> None:
    axes = _draw(label, {"f = 0": _vacf()}, {"f = 0": _spectrum(2990.0)}).axes[1]
    marker, reference, rollout = axes.lines
    assert marker.get_xdata()[0] == LINE_CM1
    assert axes.get_xlim() == pytest.approx((2850.0, 3150.0))
    assert reference.get_xdata()[[0, -1]].tolist() == [2850.0, 3150.0]
    assert rollout.get_xdata()[np.nanargmax(rollout.get_ydata())] == 2990.0
    assert np.nanmax(reference.get_ydata()) == 1.0
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low == pytest.approx(10.0**-DECADES)
    assert 1.0 < high < 10.0
    assert "cm⁻¹" in axes.get_xlabel()


def test_a_schedule_that_diverged_is_named_and_leaves_the_rest_alone(label: RunLabel) -> None:
    nothing = torch.full_like(_vacf(), float("nan")), torch.full_like(_spectrum(), float("nan"))
    figure = _draw(label, {"f = 0": nothing[0], "f = 1": _vacf()}, {"f = 0": nothing[1], "f = 1": _spectrum()})
    assert _names(figure)[:3] == ["reference", "f = 0 (diverged)", "f = 1"]
    assert np.isfinite(figure.axes[1].get_ylim()).all()
    assert np.isfinite(figure.axes[2].lines[2].get_ydata()).all()


def test_without_a_line_the_whole_spectrum_is_shown(label: RunLabel) -> None:
    figure = _draw(label, {}, {}, line=float("nan"))
    assert figure.axes[1].get_xlim() == (0.0, 7999.0)
    assert _names(figure) == ["reference"]


def test_a_spectrum_of_nothing_is_no_error(label: RunLabel) -> None:
    zero = torch.zeros_like(WAVENUMBERS)
    figure = draw_dynamics(LAG_FS, _vacf(), {}, WAVENUMBERS, zero, {}, float("nan"), label)
    assert not figure.axes[1].lines


def test_a_coarse_spectrum_keeps_some_points(label: RunLabel) -> None:
    wavenumbers = torch.arange(0.0, 8000.0, 50.0, dtype=torch.float64)
    power = torch.exp(-0.5 * ((wavenumbers - LINE_CM1) / 100.0).square())
    figure = draw_dynamics(LAG_FS, _vacf(), {}, wavenumbers, power, {}, LINE_CM1, label)
    assert figure.axes[1].get_xlim() == (2000.0, 4000.0)


def test_a_short_vacf_is_shown_whole(label: RunLabel) -> None:
    n = 101
    figure = draw_dynamics(LAG_FS[:n], _vacf()[:n], {}, WAVENUMBERS, _spectrum(), {}, LINE_CM1, label)
    assert figure.axes[0].get_xlim() == (0.0, 50.0)
    assert figure.axes[2].get_xlim() == (0.0, 50.0)
