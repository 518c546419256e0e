"""Pages as a browser shows them."""

import pytest

from mlmd.reporting.page import Line, LineChart, Page, Section, write_page
from reporting.page.pages import ERRORS, EVIL, TIMES, everything

COUNT_COLOURED = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) {
    const pixel = data.slice(i, i + 3);
    count += data[i + 3] > 128 && Math.max(...pixel) - Math.min(...pixel) > 60;
  }
  return count;
}"""
"""Pixels of a canvas that are neither transparent nor grey, as axes and text are."""


@pytest.fixture
def page(opened, tmp_path):
    return opened(write_page(tmp_path / "report.html", everything(tmp_path)))


def column(page, index, table=0):
    rows = page.locator("table").nth(table).locator("tbody tr")
    return [rows.nth(i).locator("td").nth(index).text_content() for i in range(rows.count())]


def coloured(page, canvas=0):
    return page.locator("canvas").nth(canvas).evaluate(COUNT_COLOURED)


def test_every_chart_is_drawn(page):
    assert page.locator("canvas").count() == 3
    for index in range(3):
        assert coloured(page, index) > 50
    assert page.locator("img").evaluate("image => image.naturalWidth") == 100
    assert page.title() == EVIL
    assert page.locator("h1").text_content() == EVIL
    assert page.get_by_text("no data to show").is_visible()


def test_a_click_on_a_heading_sorts(page):
    def click(name):
        page.locator("th button", has_text=name).first.click()

    click("error")
    assert column(page, 1) == ["3.0e-04", "2.5e-02", "diverged"]
    click("error")
    assert column(page, 1) == ["diverged", "2.5e-02", "3.0e-04"]
    click("schedule")
    assert column(page, 0) == ["every_100", "never", "wild"]
    click("force calls")
    assert column(page, 2) == ["0 (0)", "20 (1)", "1,234 (0.01)"]
    click("diverged")
    assert column(page, 3) == ["3", "12", "–"]
    click("diverged")
    assert column(page, 3) == ["12", "3", "–"], "gaps stay at the end"
    sorts = [heading.get_attribute("aria-sort") for heading in page.locator("table").first.locator("th").all()]
    assert sorts == ["none", "none", "none", "descending"]


def test_a_click_in_the_legend_hides_a_line_with_its_band(page):
    never, every_100 = (page.locator(".legend button", has_text=name).first for name in ("never", "every_100"))
    both = coloured(page)
    never.click()
    one = coloured(page)
    assert 0 < one < both
    assert never.get_attribute("aria-pressed") == "false"
    every_100.click()
    assert coloured(page) == 0
    never.click()
    every_100.click()
    assert coloured(page) == both
    assert never.get_attribute("aria-pressed") == "true"


def test_hovering_shows_the_value(page):
    canvas = page.locator("canvas").first
    canvas.hover(position={"x": 500, "y": 150})
    shown = canvas.evaluate(
        "canvas => { const { title, body } = Chart.getChart(canvas).tooltip; return [title, body.map(b => b.lines)]; }"
    )
    assert shown[0] == ["1"]
    assert [" never: 0.001 (1.00e-4 to 0.01)"] in shown[1]
    assert len(shown[1]) == len({line for (line,) in shown[1]}), "the edges of a band are listed like lines"


def test_many_lines_can_be_hidden_at_once(opened, tmp_path):
    band = ([0, 0, 0, 0], [20, 20, 20, 20])
    lines = [Line(f"line {k}", TIMES, [k, k + 1, k, k + 2], band=band) for k in range(9)]
    chart = LineChart("Many", lines, x="x", y="y")
    page = opened(write_page(tmp_path / "many.html", Page("Many", sections=[Section("s", [chart])])))
    many = coloured(page)
    assert many > 0
    page.get_by_role("button", name="line 0").click()
    shown = "canvas => Chart.getChart(canvas).getVisibleDatasetCount()"
    assert page.locator("canvas").evaluate(shown) == 8 * 3, "bands come back where lines are few"
    page.get_by_role("button", name="show all").click()
    assert page.locator("canvas").evaluate(shown) == 9
    page.get_by_role("button", name="hide all").click()
    assert coloured(page) == 0
    page.get_by_role("button", name="show all").click()
    assert coloured(page) == many


@pytest.mark.parametrize("options", [{"viewport": {"width": 390, "height": 800}}, {"color_scheme": "dark"}])
def test_the_page_fits_a_phone_and_a_dark_theme(opened, tmp_path, options):
    page = opened(write_page(tmp_path / "report.html", Page("p", sections=[Section("s", [ERRORS])])), **options)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert coloured(page) > 50
