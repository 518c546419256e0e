"""The parts of a page as plain values, without HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlmd.errors import DataError
from mlmd.files import require_readable_file

Number = float | int | None
"""None is a gap; so is a number that is not finite."""

Cell = str | float | int | None


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        x: increasing.
        y: as many.
        band: lower and upper edge of a band around the line, as many each; of y and band nothing has to be finite.
        is_reference: drawn wide and grey below the others, and without a place among their colours.
    """

    name: str
    x: Sequence[float]
    y: Sequence[Number]
    band: tuple[Sequence[Number], Sequence[Number]] | None = None
    is_reference: bool = False


@dataclass(frozen=True)
class LineChart:
    """Lines over a common axis; hovering shows values, a click in the legend hides a line.

    Attributes:
        title: above the chart.
        lines: colours follow their order, as in the figures of a run.
        x: name and unit of the horizontal axis.
        y: name and unit of the vertical axis.
        log_y: logarithmic; what is not positive is a gap.
        y_limits: ends of the vertical axis, beyond which lines are cut; None where the lines decide.
        is_stepped: a histogram, x being the middles of its bins.
        is_wide: across the page, where others stand in pairs.
        note: how to read it, below the chart.
    """

    title: str
    lines: Sequence[Line]
    x: str
    y: str
    log_y: bool = False
    y_limits: tuple[float | None, float | None] = (None, None)
    is_stepped: bool = False
    is_wide: bool = False
    note: str = ""


@dataclass(frozen=True)
class Points:
    """One group of a scatter chart.

    Attributes:
        name: in the legend.
        x: any order.
        y: as many.
        labels: what each point is, as many, or none.
        is_joined: a line from each point to the next, for a Pareto front.
    """

    name: str
    x: Sequence[Number]
    y: Sequence[Number]
    labels: Sequence[str] = ()
    is_joined: bool = False


@dataclass(frozen=True)
class ScatterChart:
    """Points that say on hovering which they are; attributes as those of `LineChart`."""

    title: str
    groups: Sequence[Points]
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    is_wide: bool = False
    note: str = ""


@dataclass(frozen=True)
class SortableTable:
    """A table that a click on a heading sorts, numbers and text that begins with a number by size.

    Attributes:
        headings: of the columns.
        rows: as many cells each; None shows as a dash.
        caption: above the table.

    Raises:
        DataError: a row has another number of cells.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise DataError(f"a row of the table '{self.caption}' has {len(row)} cells, not {len(self.headings)}")


@dataclass(frozen=True)
class Picture:
    """A PNG that travels inside the page.

    Attributes:
        png: the bytes of the file.
        name: what it shows, for readers who do not see it.
        caption: below it.
    """

    png: bytes
    name: str
    caption: str = ""

    @classmethod
    def read(cls, path: str | Path, name: str, caption: str = "") -> "Picture":
        """The picture of a file.

        Raises:
            DataError: it cannot be read or is no PNG.
        """
        require_readable_file(path, kind="image")
        png = Path(path).read_bytes()
        if not png.startswith(b"\x89PNG"):
            raise DataError(f"cannot read {path}: it is no PNG picture; draw it again")
        return cls(png, name, caption)


@dataclass(frozen=True)
class Prose:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Folded:
    """Text as it stands, such as a configuration, behind a heading that opens it."""

    title: str
    text: str


Part = LineChart | ScatterChart | SortableTable | Picture | Prose | Folded


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: of the page and of the browser's tab.
        lead: one line below it.
        facts: what was run, by name.
        sections: in order.
    """

    title: str
    lead: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    sections: Sequence[Section] = ()
