import dataclasses
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from mlmd.errors import DataError
from mlmd.reporting import RunLabel
from mlmd.reporting.style import (
    REFERENCE_COLOUR,
    SCHEDULE_COLOURS,
    dress_axes,
    finish_figure,
    legend_name,
    new_figure,
    save_figure,
    schedule_line,
)


def _figure(label: RunLabel, *, names: list[str], note: str = "") -> Figure:
    figure = new_figure()
    axes = figure.subplots()
    handles = [axes.plot([0, 1], [1, index + 2], label=name)[0] for index, name in enumerate(names)]
    dress_axes(axes, x="time (ps)", y="energy error", title="panel")
    finish_figure(figure, "Energy", label, handles=handles, note=note)
    return figure


def _boxes(figure: Figure) -> list[Bbox]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    strips = [*figure.texts, *figure.legends, *figure.axes]
    return [box for strip in strips if (box := strip.get_tightbbox(canvas.get_renderer())) is not None]


def test_label_has_singular_and_plural() -> None:
    label = RunLabel("N2", "DuR0", "thermal", "morse", n_replicas=1, n_steps=1, dt_fs=0.25, seed=3)
    assert label.title == "N2, DuR0, thermal, morse"
    assert label.caption == "1 replica, 1 step, dt = 0.25 fs, seed 3"
    many = dataclasses.replace(label, n_replicas=2_048, n_steps=1_000_000)
    assert many.caption == "2,048 replicas, 1,000,000 steps, dt = 0.25 fs, seed 3"


def test_schedules_look_different_from_each_other_and_from_the_reference() -> None:
    lines = [schedule_line(index) for index in range(24)]
    assert len(set(lines)) == 24
    assert REFERENCE_COLOUR not in SCHEDULE_COLOURS
    assert lines[:6] == [(colour, "-") for colour in SCHEDULE_COLOURS]


def test_legend_names_only_losses_that_there_were() -> None:
    assert legend_name("f = 0.01", 0, 16) == "f = 0.01"
    assert legend_name("f = 0", 16, 16) == "f = 0 (16 of 16 diverged)"


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["f = 0", "f = 0.01"],
        [f"f = {0.001 * index:g}, energy-anchored" for index in range(9)],
        ["one adaptive schedule of a name so long that it needs a row of its own, and more", "f = 0.01"],
    ],
)
def test_nothing_overlaps_and_nothing_leaves_the_page(label: RunLabel, names: list[str]) -> None:
    long_label = dataclasses.replace(label, hamiltonian="B3LYP/def2-TZVP with dispersion, density-fitted")
    for each in (label, long_label):
        figure = _figure(each, names=names, note="line: median, band: min to max over replicas, at the top: diverged")
        boxes = _boxes(figure)
        assert len(boxes) == 3 + bool(names)
        for index, box in enumerate(boxes):
            assert figure.bbox.x0 <= box.x0
            assert box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0
            assert box.y1 <= figure.bbox.y1
            assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_axes_keep_most_of_the_page(label: RunLabel) -> None:
    figure = _figure(label, names=["f = 0", "f = 0.01"])
    _boxes(figure)
    assert figure.axes[0].get_position().width > 0.8
    assert figure.axes[0].get_position().height > 0.6


def test_legend_holds_the_names_in_the_order_given(label: RunLabel) -> None:
    names = ["reference", "f = 0", "f = 0.01"]
    assert [text.get_text() for text in _figure(label, names=names).legends[0].get_texts()] == names


def test_title_and_caption_name_the_run(label: RunLabel) -> None:
    texts = [text.get_text() for text in _figure(label, names=[], note="a note").texts]
    assert texts == [
        "Energy: HCl, 3vR0, vibrating, harmonic",
        "16 replicas, 20,000 steps, dt = 0.5 fs, seed 12; a note",
    ]


def test_png_has_the_promised_size_and_names_its_run(label: RunLabel, tmp_path: Path) -> None:
    path = save_figure(_figure(label, names=["f = 0"]), tmp_path / "figures" / "a.png", label)
    assert path == tmp_path / "figures" / "a.png"
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == (1050, 675)
        assert image.info["Title"] == label.title
        assert image.info["Description"] == label.caption
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]


def test_a_folder_in_the_place_of_the_figure_is_refused(label: RunLabel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write .*: it is a folder, not a file"):
        save_figure(_figure(label, names=[]), tmp_path, label)
