"""The documentation site builds without a warning and loads nothing from the network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("material", reason="pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_built(site):
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file()


def test_pages_load_nothing_from_the_network(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"?([^\" >]+)", text)
        loaded += re.findall(r"<link[^>]*\srel=\"?stylesheet\"?[^>]*\shref=\"?([^\" >]+)", text)
        loaded += re.findall(r"<link[^>]*\shref=\"?([^\" >]+)[^>]*\srel=\"?stylesheet", text)
        assert loaded, page
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page


def test_first_run_is_one_click_from_the_first_page(site):
    assert "tutorials/first_run.html" in (site / "index.html").read_text(encoding="utf-8")
    assert "python train.py model=3vR0 system=HCl" in (ROOT / "docs/tutorials/first_run.md").read_text(encoding="utf-8")
