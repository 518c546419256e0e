"""The page of a run, made from the files of its folder."""

import json
import math
from dataclasses import asdict

import pytest
from matplotlib.figure import Figure

from mlmd.errors import DataError
from mlmd.evaluation.curves_file import write_curves
from mlmd.evaluation.evaluate import evaluate_rollouts
from mlmd.files import write_json
from mlmd.reporting.page import LineChart, Picture, SortableTable
from mlmd.reporting.run_page import CEILING, MAX_NUMBERS, MAX_POWERS, MAX_WINDOWS, run_page, write_run_page
from mlmd.state import Trajectory

SCORES = ("energy_error_median", "energy_error_worst", "force_calls", "frequency", "diverged_replicas")


@pytest.fixture(scope="module")
def curves(hcl_morse, hcl_harmonic, reference):
    true, shaken = reference(hcl_morse, 2000), reference(hcl_harmonic, 2000)
    lost = Trajectory(shaken.steps, shaken.positions.clone(), shaken.velocities.clone(), shaken.kicks)
    lost.positions[:2, 1500:] = lost.velocities[:2, 1500:] = math.nan
    lost.velocities[2, 1000:] *= 100
    return evaluate_rollouts(
        {"<lost>": lost, "exact": true},
        true,
        lambda positions: hcl_morse.hamiltonian.energy_and_forces(positions)[0],
        masses=hcl_morse.masses(),
        dt_fs=0.5,
        period_fs=hcl_morse.period_fs / 10,
    ).curves


@pytest.fixture
def folder(tmp_path, curves, label):
    write_curves(tmp_path / "curves.json", curves, run=asdict(label) | {"n_replicas": 3}, period_fs=11.15)
    metrics = {f"rollout/{name}/{score}": 0.1 for name in ("<lost>", "exact") for score in SCORES}
    write_json(tmp_path / "metrics.json", {"test/velocity_mae_A_per_fs": 1e-5, "cost/total_s": 12.0} | metrics)
    write_json(tmp_path / "provenance.json", {"command": "train.py a=<b>", "seed": 3, "code": "abc", "torch": None})
    (tmp_path / "config.yaml").write_text("model: <DuR0>\n")
    version = tmp_path / "csv" / "version_0"
    version.mkdir(parents=True)
    (version / "metrics.csv").write_text("epoch,train/loss,val/loss\n0,1.0,\n0,,0.5\n1,0.1,0.05\n")
    (tmp_path / "figures").mkdir()
    for name in ("bond", "velocity", "anything_else"):
        Figure(figsize=(1, 1)).savefig(tmp_path / "figures" / f"{name}.png")
    return tmp_path


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def page_of(folder):
    return run_page(folder, metrics_of(folder), title="HCl", lead="3 replicas")


def charts(page):
    return {part.title: part for section in page.sections for part in section.parts if isinstance(part, LineChart)}


def test_a_page_has_all_that_the_folder_holds(folder):
    page = page_of(folder)
    titles = ["Results", "Along the rollouts", "Structure and dynamics", "Learning", "Configuration"]
    assert [section.title for section in page.sections] == titles
    assert page.facts == {"command": "train.py a=<b>", "seed": "3", "code": "abc"}
    tables = page.sections[0].parts
    assert [type(table) for table in tables] == [SortableTable] * 3
    assert [row[0] for row in tables[1].rows] == ["<lost>", "exact"]
    assert tables[0].rows[0][:2] == ("velocity MAE", "1.00e-05 A/fs")
    pictures = [part.name for section in page.sections for part in section.parts if isinstance(part, Picture)]
    assert pictures == ["anything else", "velocity"], "what a chart shows is not shown twice"
    assert page.sections[-1].parts[0].text == "model: <DuR0>\n"
    assert [line.y for line in charts(page)["Loss"].lines] == [[1.0, 0.1], [0.5, 0.05]]


def test_replicas_that_diverged_are_at_the_top(folder):
    lost, exact = charts(page_of(folder))["Energy error"].lines
    assert lost.name == "<lost> (2 of 3 diverged)"
    assert lost.y[-1] is None
    assert lost.band[1][-1] == CEILING
    assert max(exact.band[1]) < 1
    assert all(value > 0 for value in exact.y)


def test_energies_that_ran_away_do_not_hide_the_others(folder):
    chart = charts(page_of(folder))["Kinetic energy"]
    reference = chart.lines[0]
    assert reference.is_reference
    assert chart.y_limits == (0.0, 4 * max(reference.y))
    assert max(value for value in chart.lines[1].y if value is not None) > chart.y_limits[1]


def test_curves_are_thinned_for_the_page(folder, curves):
    found = charts(page_of(folder))
    for line in found["Energy error"].lines:
        assert len(line.x) == len(line.y) <= MAX_WINDOWS
        assert line.x[-1] == pytest.approx(float(curves.energy_ref.time_ps[-1]), rel=1e-6)
    spectrum = found["Spectrum of the bond velocity"]
    assert {len(line.x) == len(line.y) <= MAX_POWERS for line in spectrum.lines} == {True}


def test_a_spectrum_keeps_its_peaks_when_it_is_thinned(folder, monkeypatch):
    whole = charts(page_of(folder))["Spectrum of the bond velocity"].lines[0]
    monkeypatch.setattr("mlmd.reporting.run_page.MAX_POWERS", 10)
    thin = charts(page_of(folder))["Spectrum of the bond velocity"].lines[0]
    assert len(thin.x) == len(thin.y) <= 10 < len(whole.x)
    assert max(thin.y) == max(whole.y)


def test_a_page_of_thirty_schedules_is_not_large(folder):
    content = json.loads((folder / "curves.json").read_text())
    content["schedules"] = {f"every_{k}": content["schedules"]["exact"] for k in range(30)}
    (folder / "curves.json").write_text(json.dumps(content))
    assert write_run_page(folder, metrics_of(folder), title="HCl", lead="3 replicas").stat().st_size < 1_100_000
    for chart in charts(page_of(folder)).values():
        assert sum(len(line.y) for line in chart.lines) <= MAX_NUMBERS
        assert all(len(line.x) == len(line.y) for line in chart.lines)


def test_a_run_that_was_not_judged_has_a_page_as_well(folder):
    for name in ("curves.json", "csv/version_0/metrics.csv", "figures/velocity.png", "figures/anything_else.png"):
        (folder / name).unlink()
    assert [section.title for section in page_of(folder).sections] == ["Results", "Configuration"]


def test_the_page_is_written_beside_the_results(folder):
    path = write_run_page(folder, metrics_of(folder), title="HCl", lead="3 replicas")
    assert path == folder / "report.html"
    assert path.stat().st_size < 1_000_000
    (folder / "curves.json").write_text("{")
    with pytest.raises(DataError, match=r"cannot read .*curves\.json"):
        write_run_page(folder, metrics_of(folder), title="HCl", lead="3 replicas")
