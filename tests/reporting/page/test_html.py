import hashlib
import json
import math
import re
from html.parser import HTMLParser
from importlib import resources

import pytest

from mlmd.errors import DataError
from mlmd.reporting.page import Line, LineChart, Page, Picture, Section, SortableTable, page_html, write_page
from mlmd.reporting.page.html import sorting_number
from mlmd.reporting.style import SCHEDULE_COLOURS
from reporting.page.pages import EMPTY, ERRORS, EVIL, PARETO, TABLE, TIMES, everything


class Reader(HTMLParser):
    """Tags, the text outside scripts, and what the JSON block holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.texts, self._inside = [], [], None
        self.json = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._inside = "json" if dict(attributes).get("id") == "charts" else tag

    def handle_data(self, data):
        if self._inside == "json":
            self.json += data
        elif self._inside not in ("script", "style"):
            self.texts.append(data)

    def handle_endtag(self, tag):
        self._inside = None

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def read(*sections, **words):
    return Reader(page_html(Page("A page", sections=sections, **words)))


def charts(*parts):
    return json.loads(read(Section("s", parts)).json)


def test_names_are_never_markup(tmp_path):
    page = Reader(page_html(everything(tmp_path)))
    assert page.count("b") == 0
    assert page.count("script") == 3
    assert page.texts.count(EVIL) >= 4
    assert json.loads(page.json)[2]["lines"][0]["name"] == EVIL


def test_nothing_is_asked_of_the_network(tmp_path):
    for tag, attributes in Reader(page_html(everything(tmp_path))).tags:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:"), tag
    policy = next(attributes for _, attributes in read().tags if attributes.get("http-equiv"))
    assert policy["content"].startswith("default-src 'none';")
    assert "sourceMappingURL" not in page_html(everything(tmp_path))


def test_a_page_without_charts_brings_no_library():
    assert len(page_html(Page("A page", sections=[Section("s", [TABLE])]))) < 20_000
    with_chart = page_html(Page("A page", sections=[Section("s", [ERRORS])]))
    assert 200_000 < len(with_chart) < 250_000
    assert "The MIT License (MIT)" in with_chart


def test_charts_carry_their_data_and_the_colours_of_the_figures():
    errors, pareto = charts(ERRORS, PARETO)
    never, every_100, reference = errors["lines"]
    assert errors["axes"] == [TIMES]
    assert (never["y"], never["high"]) == ([1e-4, 1e-3, 1e-2, None], [1e-3, 1e-2, 0.1, 100.0])
    assert every_100["y"] == [1e-4, 2e-4, None, None], "a zero has no logarithm"
    assert [never["colour"], every_100["colour"]] == list(SCHEDULE_COLOURS[:2])
    assert reference["reference"] is True
    assert "colour" not in reference
    assert (errors["logY"], pareto["logX"], pareto["groups"][0]["labels"]) == (True, True, ["every_1000", "every_100"])


def test_numbers_are_short():
    lines = [Line("a", [1 / 3], [2 / 3]), Line("b", [1 / 7], [math.inf])]
    (chart,) = charts(LineChart("c", lines, x="x", y="y", y_limits=(0, None)))
    assert chart["axes"] == [[0.33333], [0.14286]]
    assert [line["y"] for line in chart["lines"]] == [[0.66667], [None]]
    assert (chart["least"], chart["most"]) == (0.0, None)


@pytest.mark.parametrize("lines", [[], [Line("a", [], [])], [Line("a", [1.0], [math.nan])]])
def test_a_chart_without_data_has_a_note(lines):
    page = read(Section("s", [LineChart("Empty", lines, x="x", y="y")]))
    assert page.count("canvas") == 0
    assert "no data to show" in page.texts
    assert json.loads(page.json) == []


def test_charts_have_names_for_screen_readers():
    names = [
        attributes.get("aria-label") for tag, attributes in read(Section("s", [ERRORS, EMPTY])).tags if tag == "canvas"
    ]
    assert names == ["Energy error: error against time (ps), of never, every_100, reference"]


def test_charts_and_pictures_that_follow_each_other_share_a_grid():
    text = page_html(Page("p", sections=[Section("s", [ERRORS, PARETO, TABLE, ERRORS])]))
    assert text.count('<div class="grid">') == 2
    assert text.count("<div") == text.count("</div>")


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (3, 3.0),
        (2.5e-2, 0.025),
        ("2.5e-02", 0.025),
        ("1,234 (0.01)", 1234.0),
        ("99.9 %", 99.9),
        ("-0.031", -0.031),
        ("+12", 12.0),
        ("diverged", 1e300),
        (math.inf, 1e300),
        ("never", None),
        ("every_100", None),
        ("-", None),
        (None, None),
    ],
)
def test_cells_are_sorted_by_their_numbers(cell, number):
    assert sorting_number(cell) == number


def test_cells_show_numbers_as_words_and_gaps_as_dashes():
    page = read(Section("s", [SortableTable(["a", "b"], [[1234.5, None], ["x", math.nan]])]))
    assert {"1,234", "x", "–"} <= set(page.texts)
    assert re.search(
        r'<td class="number" data-key="1234.5">1,234</td>',
        page_html(Page("p", sections=[Section("s", [SortableTable(["a"], [[1234.5]])])])),
    )


def test_a_row_of_another_length_is_refused():
    with pytest.raises(DataError, match="a row of the table 'results' has 1 cells, not 2"):
        SortableTable(["a", "b"], [["x"]], caption="results")


def test_a_picture_that_is_none_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"x\.png: it is no PNG picture; draw it again"):
        Picture.read(tmp_path / "x.png", "x")
    with pytest.raises(DataError, match="no such file"):
        Picture.read(tmp_path / "y.png", "y")


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    path = write_page(tmp_path / "sub" / "report.html", everything(tmp_path))
    assert path.read_text(encoding="utf-8") == page_html(everything(tmp_path))
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(DataError, match="cannot write"):
        write_page(path / "inside.html", Page("p"))


def test_the_vendored_library_is_the_file_that_was_published():
    folder = resources.files("mlmd.reporting.page")
    digest = hashlib.sha256(folder.joinpath("chart.umd.min.js").read_bytes()).hexdigest()
    assert digest in folder.joinpath("VENDORED.md").read_text(encoding="utf-8")
