"""Tables between the marks of a page."""

from pathlib import Path


def fill(path: Path, name: str, lines: list[str]) -> None:
    """Put lines between ``<!-- NAME -->`` and ``<!-- end of NAME -->``; a page without the marks is left alone."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    opening, closing = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if opening in text and closing in text:
        before, _, rest = text.partition(opening)
        after = rest.partition(closing)[2]
        path.write_text(f"{before}{opening}" + "".join(f"{line}\n" for line in lines) + closing + after, "utf-8")
