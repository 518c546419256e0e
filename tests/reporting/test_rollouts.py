import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mlmd.errors import DataError
from mlmd.reporting import RunLabel
from mlmd.reporting.rollouts import CEILING, FLOOR, draw_bond, draw_energy_error, draw_trajectory
from mlmd.reporting.style import SCHEDULE_COLOURS
from reporting.bonds import bonds, view

NAN, INF = float("nan"), float("inf")
TIME_PS = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def _names(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_energy_lines_are_medians_and_bands_span_the_replicas(label: RunLabel) -> None:
    error = torch.tensor([[1e-3, 1e-2, 1e-1], [3e-3, 3e-2, 3e-1], [8e-3, 8e-2, 8e-1], [5e-3, 5e-2, 5e-1]])
    figure = draw_energy_error({"f = 0": (TIME_PS, error), "f = 0.01": (TIME_PS, 0.01 * error)}, label)
    axes = figure.axes[0]
    first, second = axes.lines
    assert first.get_xdata().tolist() == [1.0, 2.0, 3.0]
    # Of 1, 3, 5 and 8 the median is 4.
    assert first.get_ydata() == pytest.approx([4e-3, 4e-2, 4e-1])
    assert second.get_ydata() == pytest.approx([4e-5, 4e-4, 4e-3])
    band = axes.collections[0].get_paths()[0].vertices
    assert band[band[:, 0] == 2.0][:, 1].min() == pytest.approx(1e-2)
    assert band[band[:, 0] == 2.0][:, 1].max() == pytest.approx(8e-2)
    assert [to_hex(line.get_color()).upper() for line in axes.lines] == list(SCHEDULE_COLOURS[:2])
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low <= 1e-5
    assert high >= 0.8
    assert _names(figure) == ["f = 0", "f = 0.01"]
    assert axes.get_xlabel() == "time (ps)"


def test_diverged_replicas_count_as_infinite_and_are_named(label: RunLabel) -> None:
    error = torch.tensor([[1e-3, 1e-2, 1e-1], [1e-3, 1e-2, NAN], [1e-3, INF, INF]])
    figure = draw_energy_error({"f = 0": (TIME_PS, error)}, label)
    line, cross = figure.axes[0].lines
    assert line.get_ydata()[:2] == pytest.approx([1e-3, 1e-2])
    assert np.isnan(line.get_ydata()[2])
    assert cross.get_marker() == "x"
    assert cross.get_xydata().tolist() == [[3.0, CEILING]]
    assert figure.axes[0].collections[0].get_paths()[0].vertices[:, 1].max() == CEILING
    assert figure.axes[0].get_ylim()[1] == pytest.approx(CEILING)
    assert _names(figure) == ["f = 0 (2 of 3 diverged)"]
    assert figure.texts[-1].get_text().endswith("at the top: diverged")


def test_a_schedule_that_lost_every_replica_from_the_start_is_drawn(label: RunLabel) -> None:
    figure = draw_energy_error({"f = 0": (TIME_PS, torch.full((2, 3), NAN))}, label)
    assert np.isnan(figure.axes[0].lines[0].get_ydata()).all()
    assert figure.axes[0].lines[1].get_xydata().tolist() == [[1.0, CEILING]]


def test_zeros_are_drawn_at_the_floor_and_the_caption_states_it(label: RunLabel) -> None:
    figure = draw_energy_error({"f = 1": (TIME_PS, torch.zeros(2, 3, dtype=torch.float64))}, label)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [FLOOR] * 3
    assert "at 1e-12: that or less" in figure.texts[-1].get_text()


def test_one_block_is_marked_and_one_replica_has_no_band(label: RunLabel) -> None:
    axes = draw_energy_error({"f = 0": (TIME_PS[:1], torch.tensor([[0.1]]))}, label).axes[0]
    assert axes.lines[0].get_marker() == "o"
    assert not axes.collections


def test_a_figure_without_a_rollout_has_a_note(label: RunLabel) -> None:
    assert [text.get_text() for text in draw_energy_error({}, label).axes[0].texts] == ["no rollout to show"]


def test_bond_panel_shows_replica_0_at_the_end_of_the_run(label: RunLabel) -> None:
    reference, rollout = bonds(), bonds(0.11)
    figure = draw_bond(view(reference), {"f = 0.01": view(rollout, reference)}, label)
    first, second = figure.axes[0].lines
    assert first.get_xdata()[[0, -1]].tolist() == [399.5, 499.5]
    assert np.array_equal(first.get_ydata(), reference[0, -201:].numpy())
    assert np.array_equal(second.get_ydata(), rollout[0, -201:].numpy())
    assert to_hex(second.get_color()).upper() == SCHEDULE_COLOURS[0]
    assert figure.axes[0].get_xlim() == (399.5, 499.5)
    assert _names(figure) == ["reference", "f = 0.01"]


def test_bond_histograms_are_densities_of_all_replicas_and_times(label: RunLabel) -> None:
    reference, rollout = bonds(), bonds(0.11)
    rollout[2, 500:] = NAN
    figure = draw_bond(view(reference), {"f = 0": view(rollout, reference)}, label)
    of_reference, of_rollout = (patch.get_data() for patch in figure.axes[1].patches)
    widths = np.diff(of_reference.edges)
    expected = np.histogram(reference.numpy(), bins=of_reference.edges, density=True)[0]
    assert of_reference.values == pytest.approx(expected)
    assert (of_reference.values * widths).sum() == pytest.approx(1.0)
    # Half of one of three replicas is lost, and its share of the distribution with it.
    assert (of_rollout.values * widths).sum() == pytest.approx(5 / 6)
    assert _names(figure) == ["reference", "f = 0 (1 of 3 diverged)"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert figure.axes[1].get_ylim() == pytest.approx((1.17 - 0.2 / 3, 1.37 + 0.2 / 3), abs=1e-3)


def test_a_bond_that_explodes_does_not_stretch_the_axis(label: RunLabel) -> None:
    rollout = bonds()
    rollout[:, 900:] = 1e6
    low, high = draw_bond(view(bonds()), {"f = 0": view(rollout, bonds())}, label).axes[0].get_ylim()
    assert 1.0 < low < high < 1.5


def test_a_bond_at_rest_still_has_an_axis(label: RunLabel) -> None:
    low, high = draw_bond(view(bonds(0.0)), {}, label).axes[0].get_ylim()
    assert low < 1.27 < high


def test_few_frames_are_marked(label: RunLabel) -> None:
    shown = {"f = 0": view(bonds(), n_shown=21)}
    assert draw_bond(view(bonds(), n_shown=21), shown, label).axes[0].lines[1].get_marker() == "o"


def test_a_rollout_at_other_times_is_refused(label: RunLabel) -> None:
    with pytest.raises(DataError, match="bond of f = 0 has shape"):
        draw_bond(view(bonds()), {"f = 0": view(bonds(), n_shown=10)}, label)


def test_trajectory_picture_stacks_both_with_one_legend(label: RunLabel) -> None:
    error = torch.tensor([[1e-3, 1e-2, 1e-1], [1e-3, 1e-2, 1e-1]])
    reference, rollout = bonds(), bonds(0.11)
    reference[1] += 0.3  # the axis below is that of replica 0
    shown = view(reference, n_shown=101), {"f = 0": view(rollout, reference, n_shown=101)}
    figure = draw_trajectory({"f = 0": (TIME_PS, error)}, *shown, label)
    above, below = figure.axes
    assert above.lines[0].get_ydata() == pytest.approx([1e-3, 1e-2, 1e-1])
    assert np.array_equal(below.lines[0].get_ydata(), reference[0, -101:].numpy())
    assert np.array_equal(below.lines[1].get_ydata(), rollout[0, -101:].numpy())
    assert below.get_ylim() == pytest.approx((1.17 - 0.2 / 3, 1.37 + 0.2 / 3), abs=2e-3)
    assert above.lines[0].get_color() == below.lines[1].get_color()
    assert _names(figure) == ["reference", "f = 0"]
