"""The study in its fast form, as a stranger runs it: everything is there, and a second call does nothing."""

import csv
import subprocess
import sys

import pytest
from cli.running import ROOT

from experiments.study.registry import EXPERIMENTS
from experiments.study.results import fill_readme, write_csv
from experiments.study.sweeps import Sweep
from mlmd.cli.program import CONF

NAMES = [experiment.name for experiment in EXPERIMENTS]


def study(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "experiments", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def fast(tmp_path_factory):
    """The folder of the fast form's runs, and the console output."""
    runs = tmp_path_factory.mktemp("study")
    ended = study("--fast", "--runs", str(runs))
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    return runs, ended.stdout


def test_every_experiment_leaves_its_numbers_and_its_figure(fast):
    runs, _ = fast
    for name in NAMES:
        results = runs / name / "results"
        tables = sorted(results.glob("*.csv"))
        assert tables, f"{name} left no csv"
        for table in tables:
            with table.open(encoding="utf-8", newline="") as file:
                assert list(csv.DictReader(file)), f"{table} has no row"
        if name != "force_field_table":
            assert sorted(results.glob("*.png")), f"{name} left no figure"


def test_the_page_has_every_experiment(fast):
    runs, _ = fast
    page = (runs / "report.html").read_text(encoding="utf-8")
    for name in NAMES:
        title = (ROOT / "experiments" / name / "README.md").read_text(encoding="utf-8").partition("\n")[0]
        assert title.removeprefix("# ") in page


def test_the_page_opens_in_a_browser(fast, opened):
    runs, _ = fast
    tab = opened(runs / "report.html")
    assert tab.locator("canvas").count() >= len(NAMES) - 1
    assert tab.locator("canvas").evaluate_all("all => all.every(one => one.width > 0 && one.height > 0)")


def test_a_second_call_does_nothing(fast):
    runs, _ = fast
    before = {
        path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file() and path.name != "report.html"
    }
    ended = study("--fast", "--runs", str(runs))
    assert ended.returncode == 0
    assert "$ python" not in ended.stdout
    after = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file() and path.name != "report.html"}
    assert after == before


def test_a_lost_run_is_run_again(fast):
    runs, _ = fast
    lost = next((runs / "conservation").rglob("metrics.json"))
    lost.unlink()
    ended = study("conservation", "--fast", "--runs", str(runs))
    assert ended.returncode == 0
    assert lost.is_file()
    assert "experiment=[conservation,fast]" in ended.stdout
    assert "experiment=[accuracy,fast]" not in ended.stdout


def test_an_unknown_experiment_is_one_line():
    ended = study("acuracy")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: there is no experiment 'acuracy': did you mean 'accuracy'")
    assert ended.stderr.count("\n") == 1


def test_a_sweep_that_fails_is_named(tmp_path):
    ended = study("delayed_activation", "--fast", "--runs", str(tmp_path))  # its checkpoints are not there
    assert ended.returncode == 1
    assert "delayed_activation" in ended.stderr


def test_every_overlay_of_the_study_is_run_by_it():
    run = {sweep.experiment for experiment in EXPERIMENTS for sweep in experiment.sweeps}
    # those two are for everybody's runs
    assert run == {path.stem for path in (CONF / "experiment").glob("*.yaml")} - {"fast", "molecule"}


def test_the_readme_of_an_experiment_names_its_command():
    for experiment in EXPERIMENTS:
        text = (ROOT / "experiments" / experiment.name / "README.md").read_text(encoding="utf-8")
        assert f"python -m experiments {experiment.name}" in text
        assert "**Claim.**" in text
        assert "\n## Reading\n" in text


def test_the_fast_form_replaces_values_of_the_full_form(tmp_path):
    sweep = Sweep("accuracy", ("seed=2,3", "model=DuR0"), ("seed=2",))
    assert sweep.command(tmp_path, tmp_path / "a", is_fast=True)[2:5] == [
        "experiment=[accuracy,fast]",
        "seed=2",
        "model=DuR0",
    ]
    assert sweep.command(tmp_path, tmp_path / "a", is_fast=False)[2:5] == [
        "experiment=accuracy",
        "seed=2,3",
        "model=DuR0",
    ]


def test_a_table_needs_its_marks(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# Title\n")
    with pytest.raises(ValueError, match="has no lines <!-- table -->"):
        fill_readme(page, "| a |")
    page.write_text("a\n<!-- table -->\nold\n<!-- end of table -->\nb\n")
    fill_readme(page, "new")
    assert page.read_text() == "a\n<!-- table -->\nnew\n<!-- end of table -->\nb\n"


def test_an_unchanged_table_is_not_written_again(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, ["x"], [[1.0]])
    before = path.stat().st_mtime_ns
    write_csv(path, ["x"], [[1.0]])
    assert path.stat().st_mtime_ns == before
    write_csv(path, ["x"], [[2.0]])
    assert path.read_text() == "x\n2\n"
