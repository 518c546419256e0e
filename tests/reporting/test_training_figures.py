import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from mlmd.errors import DataError
from mlmd.reporting import RunLabel
from mlmd.reporting.training_figures import N_POINTS, NOT_FINITE, NOTHING_TO_LEARN, draw_loss, draw_velocities

NAN = float("nan")


def _names(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_loss_curves_hold_the_history_and_skip_what_is_missing(label: RunLabel) -> None:
    history: list[dict[str, float | None]] = [
        {"epoch": 0, "train/loss": 1.0, "val/loss": 2.0},
        {"epoch": 1, "train/loss": NAN},
        {"epoch": 2, "train/loss": 0.01, "val/loss": None},
        {"epoch": 3, "val/loss": 0.5},
    ]
    figure = draw_loss(history, label)
    train, val = figure.axes[0].lines
    assert train.get_xydata().tolist() == [[0, 1.0], [2, 0.01]]
    assert val.get_xydata().tolist() == [[0, 2.0], [3, 0.5]]
    assert figure.axes[0].get_yscale() == "log"
    assert _names(figure) == ["training", "validation"]
    assert figure.axes[0].get_xlabel() == "epoch"


def test_a_single_loss_is_marked(label: RunLabel) -> None:
    figure = draw_loss([{"epoch": 0, "val/loss": 0.1}], label)
    (line,) = figure.axes[0].lines
    assert line.get_marker() == "o"
    assert _names(figure) == ["validation"]


def test_a_loss_of_zero_among_others_is_drawn_at_the_smallest(label: RunLabel) -> None:
    figure = draw_loss([{"epoch": 0, "train/loss": 0.1}, {"epoch": 1, "train/loss": 0.0}], label)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.1, 0.1]


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([], NOTHING_TO_LEARN),
        ([{"epoch": 0}], NOTHING_TO_LEARN),
        ([{"epoch": 0, "train/loss": 0.0, "val/loss": 0.0}, {"epoch": 1, "train/loss": 0.0}], NOTHING_TO_LEARN),
        ([{"epoch": 0, "train/loss": NAN, "val/loss": float("inf")}], NOT_FINITE),
    ],
)
def test_a_sentence_stands_where_there_is_no_loss(
    label: RunLabel, history: list[dict[str, float | None]], words: str
) -> None:
    axes = draw_loss(history, label).axes[0]
    assert [text.get_text() for text in axes.texts] == [words]
    assert not axes.lines


def test_velocity_figure_holds_points_errors_and_scores(label: RunLabel) -> None:
    true = torch.tensor([[0.1, -0.2], [0.3, -0.4]], dtype=torch.float64)
    predicted = true + torch.tensor([[3e-6, 0.0], [0.0, -1e-6]], dtype=torch.float64)
    figure = draw_velocities(predicted, true, label)
    left, right = figure.axes
    diagonal, points = left.lines
    assert np.array_equal(points.get_xydata(), torch.stack([true.flatten(), predicted.flatten()], dim=1).numpy())
    assert diagonal.get_xydata().tolist() == [[-0.4, -0.4], [0.3, 0.3]]
    (bars,) = right.patches
    counts, edges, _ = bars.get_data()
    assert counts.sum() == 4
    # In units of 1e-6 A/fs, as the axis says: errors from -1 to 3, two of them zero.
    assert edges[[0, -1]] == pytest.approx([-1.0, 3.0])
    assert counts[np.searchsorted(edges, 1e-9) - 1] == 2
    assert "$10^{-6}$ Å/fs" in right.get_xlabel()
    assert right.get_yscale() == "log"
    # MAE (3 + 1)e-6 / 4; accuracy 100 (1 - 4e-6 / 1.0).
    assert right.get_title(loc="left") == "MAE 1.00e-06 Å/fs\naccuracy 99.99960 %"


def test_many_points_are_drawn_as_a_sample_that_repeats_while_all_are_counted(label: RunLabel) -> None:
    true = torch.linspace(-1.0, 1.0, 3 * N_POINTS, dtype=torch.float64)
    first, second = (draw_velocities(1.01 * true, true, label) for _ in range(2))
    shown = first.axes[0].lines[1].get_xydata()
    assert shown.shape == (N_POINTS, 2)
    assert np.array_equal(shown, second.axes[0].lines[1].get_xydata())
    # A fair sample of -1..1, not its beginning.
    assert shown[:, 0].mean() == pytest.approx(0.0, abs=0.02)
    assert first.axes[1].patches[0].get_data().values.sum() == 3 * N_POINTS
    assert "60,000 velocities, 20,000 of them drawn" in first.texts[-1].get_text()


def test_an_exact_prediction_has_one_bar_at_zero(label: RunLabel) -> None:
    true = torch.linspace(-1.0, 1.0, 50)
    right = draw_velocities(true, true, label).axes[1]
    counts, edges, _ = right.patches[0].get_data()
    assert np.count_nonzero(counts) == 1
    middle = int(counts.argmax())
    assert edges[middle] <= 0.0 <= edges[middle + 1]
    assert right.get_title(loc="left") == "MAE 0 Å/fs\naccuracy 100 %"


def test_velocities_that_are_not_finite_are_left_out(label: RunLabel) -> None:
    true = torch.tensor([0.1, 0.2, 0.3])
    right = draw_velocities(torch.tensor([0.1, NAN, float("inf")]), true, label).axes[1]
    assert right.patches[0].get_data().values.sum() == 1


def test_velocities_of_different_shapes_are_refused(label: RunLabel) -> None:
    with pytest.raises(DataError, match="pred has shape"):
        draw_velocities(torch.zeros(3), torch.zeros(4), label)
