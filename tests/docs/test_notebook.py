"""The quick start of the README and the notebook of the documentation run as they are written, in a fast form."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs/tutorials/spectrum.md"
FASTER = {
    '"regime=thermal"': '"regime=thermal", "experiment=fast", "logger=csv", "data.batches.batches_per_epoch=100"',
    '"n_steps=20000"': '"n_steps=4000", "n_replicas=8"',
}


def faster(code):
    for written, changed in FASTER.items():
        assert code.count(written) == 1, written
        code = code.replace(written, changed)
    return code


def quick_start(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs code in a new namespace and an empty folder, and returns the names that it defines."""
    monkeypatch.chdir(tmp_path)

    def execute(code):
        names = {}
        exec(compile(code, "page", "exec"), names)
        return names

    return execute


def test_the_quick_start_has_ten_lines_and_is_the_same_everywhere():
    code = quick_start("README.md")
    assert code == quick_start("docs/tutorials/python.md")
    assert len([line for line in code.splitlines() if line]) <= 10


def test_the_quick_start_runs(run):
    names = run(faster(quick_start("README.md")))
    assert names["bond"].shape == (8, 4000, 3)
    assert 1.0 < float(names["bond"].norm(dim=-1).mean()) < 1.5
    assert float(names["times_fs"][-1]) == 1999.5
    assert names["predictor"].spec.system == "HCl"


def test_the_notebook_gives_the_spectrum_of_the_reference(run, tmp_path):
    jupytext = pytest.importorskip("jupytext", reason="pip install -e '.[test]'")
    cells = [cell.source for cell in jupytext.read(NOTEBOOK).cells if cell.cell_type == "code"]
    assert len(cells) == NOTEBOOK.read_text(encoding="utf-8").count("```python\n") > 3
    names = run(faster("\n".join(cells)))
    lines_cm1 = names["lines_cm1"]
    assert 2880 < lines_cm1["reference"] < 2990  # the shipped harmonic wavenumber is 2991 1/cm, less the anharmonicity
    assert lines_cm1["MLMD"] == pytest.approx(lines_cm1["reference"], abs=10)
    assert (tmp_path / "spectrum.png").stat().st_size > 5_000


def test_the_page_shows_the_figure_that_the_notebook_draws():
    text = NOTEBOOK.read_text(encoding="utf-8")
    shown, drawn = re.search(r"!\[[^\]]+\]\((\S+)\)", text)[1], re.search(r'savefig\("(\S+)"', text)[1]
    assert shown == drawn
    assert (NOTEBOOK.parent / shown).is_file()
