"""A molecule of several bonds and lines in figures, on the console, on the page and for a tracker."""

import io
import json
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from mlmd.errors import DataError
from mlmd.evaluation.curves import merge_curves
from mlmd.evaluation.curves_file import MAX_POINTS, read_curves, write_curves
from mlmd.reporting import print_summary, summary_table
from mlmd.reporting.dynamics import draw_dynamics
from mlmd.reporting.page import LineChart
from mlmd.reporting.rollouts import draw_bond
from mlmd.reporting.run_page import run_page
from mlmd.reporting.run_report import draw_rollouts
from mlmd.reporting.tracker_tables import MAX_POINTS as MAX_TRACKED
from mlmd.reporting.tracker_tables import spectrum_lines
from reporting.molecule import EXACT, SHIFTED, water_curves

LINES_CM1 = (1595.0, 3657.0, 3756.0)


@pytest.fixture(scope="module")
def curves():
    return water_curves()


@pytest.fixture
def written(curves, label, tmp_path):
    write_curves(tmp_path / "curves.json", curves, run=asdict(label), period_fs=21.0)
    return tmp_path / "curves.json"


def of_views(curves, quantity):
    return {name: getattr(view, quantity) for name, view in curves.dynamics.items()}


def test_the_spectrum_is_drawn_whole_with_every_line_marked(curves, label):
    figure = draw_dynamics(
        curves.lag_fs,
        curves.dynamics_ref.correlation,
        of_views(curves, "correlation"),
        curves.wavenumbers,
        curves.dynamics_ref.power,
        of_views(curves, "power"),
        float("nan"),
        label,
        lines=curves.lines,
    )
    axes = figure.axes[2]
    marks = [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    assert marks == pytest.approx(LINES_CM1, abs=0.1)
    assert axes.get_xlim() == pytest.approx((0.0, 1.15 * 3756.0))
    assert axes.get_title(loc="left") == "spectrum of the normal modes"
    reference, shifted, _ = (line for line in axes.lines if len(line.get_xdata()) > 2)
    tops = [line.get_xdata()[np.nanargmax(line.get_ydata())] for line in (reference, shifted)]
    assert tops[0] - tops[1] == pytest.approx(0.002 * tops[0], abs=2.0)
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert names == ["reference", SHIFTED, EXACT, "reference, 3 lines"]


def test_the_bond_figure_names_its_bond(curves, label):
    figure = draw_bond(curves.bond_ref, curves.bonds, label)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "bond O1-H2 of replica 0, end of the run",
        "all bonds, replicas and times",
    ]
    assert figure.texts[0].get_text().startswith("Bond lengths: ")


def test_all_figures_are_drawn(curves, label, tmp_path):
    draw_rollouts(tmp_path, curves, label=label)
    assert {path.name for path in tmp_path.iterdir()} == {"bond.png", "dynamics.png", "energy_error.png", "rollout.png"}


def test_lines_are_read_back(curves, written):
    content = read_curves(written)
    assert content["first_bond"] == "O1-H2"
    assert [line["modes"] for line in content["lines"]] == [[1], [2], [3]]
    for line, view, harmonic in zip(content["lines"], curves.lines, LINES_CM1, strict=True):
        assert line["harmonic_cm1"] == harmonic
        assert line["reference_cm1"] == pytest.approx(view.reference_cm1, rel=1e-6)
        assert line["shifts"][SHIFTED]["shift_cm1"] == pytest.approx(-0.002 * harmonic, abs=0.1)
        assert line["shifts"][EXACT] == {"cm1": line["reference_cm1"], "shift_cm1": 0.0}


def test_a_spectrum_that_is_kept_whole_keeps_its_peaks(curves, label, tmp_path, monkeypatch):
    monkeypatch.setattr("mlmd.evaluation.curves_file.MAX_POINTS", 100)
    write_curves(tmp_path / "curves.json", curves, run=asdict(label), period_fs=21.0)
    content = read_curves(tmp_path / "curves.json")
    assert 50 < len(content["wavenumber_cm1"]) <= 100 < MAX_POINTS
    highest = float(curves.dynamics_ref.power.max())
    assert max(content["reference"]["power"]) == pytest.approx(highest, rel=1e-6)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[0].pop("modes"),
        lambda lines: lines[1]["shifts"].pop(EXACT),
        lambda lines: lines[2].update(reference_cm1="x"),
    ],
)
def test_damaged_lines_are_refused_in_one_line(written, damage):
    content = json.loads(written.read_text())
    damage(content["lines"])
    written.write_text(json.dumps(content))
    with pytest.raises(DataError, match="it is damaged"):
        read_curves(written)


def console_lines(lines):
    stream = io.StringIO()
    Console(file=stream, width=120, highlight=False).print(summary_table({}, title="H2O", lines=lines))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_the_console_has_a_row_per_line(written):
    printed = console_lines(read_curves(written)["lines"])
    (row,) = (line for line in printed if line.startswith("2 "))
    cells = row.split()
    assert cells[:3] == ["2", "3657.0", "3657.0"]
    assert float(cells[3]) == pytest.approx(3649.7, abs=0.11)
    assert cells[4] == "(-7.3)"
    assert cells[6] == "(0)"


def test_many_schedules_stand_in_several_tables(written):
    lines = read_curves(written)["lines"]
    for line in lines:
        line["shifts"] = {f"every_{k}": {"cm1": None, "shift_cm1": None} for k in range(12)}
        line["modes"] = [1, 2]
    printed = console_lines(lines)
    assert sum(line.startswith("lines, cm^-1") for line in printed) == 3
    assert max(map(len, printed)) <= 120
    assert printed[-2].split() == ["1,", "2", "3756.0", "3756.0", "-", "-"]


def test_the_table_is_printed_with_the_scores(written, capsys):
    print_summary({}, written.parent, "H2O")
    assert "lines, cm^-1" in capsys.readouterr().out


def test_the_page_has_the_table_and_all_lines(written):
    page = run_page(written.parent, {}, title="H2O", lead="2 replicas")
    (table,) = page.sections[0].parts
    assert [row[0] for row in table.rows] == ["1", "2", "3"]
    charts = {part.title: part for section in page.sections for part in section.parts if isinstance(part, LineChart)}
    assert charts["Bond lengths, end of the run"].note == "O1-H2 of replica 0."
    assert charts["Bond lengths, distribution"].note.startswith("All bonds, replicas and times")
    spectrum = charts["Spectrum of the normal modes"]
    assert spectrum.lines[0].x[-1] > 3756.0
    assert spectrum.y == "power (u (Å/fs)² per cm⁻¹)"


def test_a_tracker_gets_every_line(curves):
    wavenumbers, power = spectrum_lines(curves).points["reference"]
    assert len(wavenumbers) <= MAX_TRACKED
    assert wavenumbers[-1] > 3756.0
    top = wavenumbers[power.index(max(power))]
    assert min(abs(top - line) for line in LINES_CM1) < 10.0
    assert max(power) == float(curves.dynamics_ref.power.max())


def test_merged_curves_keep_one_set_of_lines(curves):
    assert merge_curves([curves]).lines == curves.lines
