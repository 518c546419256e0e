"""The README can be read in three minutes, and links between the files of the repository hold."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS_IN_THREE_MINUTES = 3 * 230
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]
PAGES += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("experiments/**/*.md"))


def test_the_readme_is_read_in_three_minutes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```|^\|.*?$|\]\([^)]*\)", "", text, flags=re.DOTALL | re.MULTILINE)
    assert 100 < len(prose.split()) <= WORDS_IN_THREE_MINUTES


def test_the_readme_has_one_picture_and_one_table_of_results():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"!\[", text)) == 1
    assert text.count("<!-- end of ") == 1


@pytest.mark.parametrize("page", PAGES)
def test_links_between_files_hold(page):
    links = re.findall(r"\]\(([^)\s#]+)", (ROOT / page).read_text(encoding="utf-8"))
    missing = [
        link for link in links if not re.match("[a-z]+:", link) and not (ROOT / page).parent.joinpath(link).exists()
    ]
    assert missing == []
