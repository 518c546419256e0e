"""The page of the whole study: what each experiment asks, its charts and tables, and how its README reads it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.study.sweeps import ROOT
from mlmd.reporting.page import Folded, Page, Part, Picture, Prose, Section, write_page


def write_study_page(path: Path, parts: Mapping[str, Sequence[Part]], *, is_fast: bool) -> Path:
    """Write the page.

    Args:
        path: the file.
        parts: by experiment, what its aggregation gave.
        is_fast: of the fast form, which the READMEs do not speak of.
    """
    command = "python -m experiments" + (" --fast" if is_fast else "")
    lead = "Claims of the preprint, each tested: what was asked, what was measured, how it reads."
    sections = [_section(name, of_experiment, is_fast=is_fast) for name, of_experiment in parts.items()]
    return write_page(path, Page("mlmd: the study", lead=lead, facts={"command": command}, sections=sections))


def _section(name: str, parts: Sequence[Part], *, is_fast: bool) -> Section:
    folder = ROOT / "experiments" / name
    text = (folder / "README.md").read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    claim = [Prose(_plain(paragraph)) for paragraph in _paragraphs(text.partition("\n")[2].partition("\n## ")[0])]
    reading: list[Part] = []
    if not is_fast:  # it reads the full form's numbers
        pictures = [Picture.read(path, path.stem.replace("_", " ")) for path in sorted(folder.glob("*.png"))]
        words = [Prose(_plain(paragraph)) for paragraph in _paragraphs(text.partition("\n## Reading\n")[2])]
        reading = [*pictures, *words]
    overlays = [ROOT / "conf" / "experiment" / f"{overlay}.yaml" for overlay in (name, f"{name}_morse")]
    folded = [
        Folded(f"conf/experiment/{file.name}", file.read_text(encoding="utf-8")) for file in overlays if file.is_file()
    ]
    return Section(title, [*claim, *parts, *reading, *folded])


def _paragraphs(text: str) -> list[str]:
    return [
        block.strip()
        for block in text.split("\n\n")
        if block.strip() and not block.lstrip().startswith(("<!--", "|", "!["))
    ]


def _plain(text: str) -> str:
    """Markdown without its marks, on one line."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"\s+", " ", re.sub(r"[*`]", "", text)).strip()
