"""The documentation site builds without a warning, has no dead link and loads nothing from the network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from site_links import clicks, dead_links, read_site

ROOT = Path(__file__).parents[2]
MOST_CLICKS = 4


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for package in ("material", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(package, reason="pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder.resolve()


def test_every_page_is_built(site):
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()


def test_no_link_is_dead(site):
    assert dead_links(read_site(site)) == []


@pytest.mark.parametrize("link", ["missing.html", "definitions.html#missing", "#missing"])
def test_a_dead_link_is_found(tmp_path, link):
    (tmp_path / "index.html").write_text(f'<p id="here"><a href="{link}">x</a><a href="#here">y</a></p>')
    (tmp_path / "definitions.html").write_text("<p>text</p>")
    assert dead_links(read_site(tmp_path)) == [f"index.html: {link}"]


def test_pages_load_nothing_from_the_network(site):
    for page in read_site(site).values():
        assert page.loaded, page.path
        assert not [address for address in page.loaded if re.match(r"(https?:)?//", address)], page.path


def test_formulas_are_part_of_the_page(site):
    text = (site / "theory/definitions.html").read_text(encoding="utf-8")
    assert text.count("<math") > 20
    assert "arithmatex" not in text


def test_a_newcomer_trains_hcl_after_a_few_clicks(site):
    pages = read_site(site)
    found = clicks(pages, site / "index.html")
    assert found[site / "tutorials/first_run.html"] <= MOST_CLICKS
    assert "python train.py model=3vR0 system=HCl" in (ROOT / "docs/tutorials/first_run.md").read_text(encoding="utf-8")


def test_texts_lead_to_every_page(site):
    pages = read_site(site)
    found = clicks(pages, site / "index.html")
    assert [path.name for path in pages if path not in found and path.name != "404.html"] == []
