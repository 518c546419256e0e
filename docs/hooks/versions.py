"""Writes the table of file formats and their versions when the site is built."""

from typing import Any

from mlmd.evaluation import curves_file
from mlmd.io import migrations, trajectory_layout


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The text of a page with the table in place of its mark."""
    return markdown.replace("<!-- versions -->", versions_table()) if "<!-- versions -->" in markdown else markdown


def versions_table() -> str:
    """The version that this mlmd writes, of every format."""
    versions = {
        "`config.yaml`, the configuration in a checkpoint": migrations.CONFIG_VERSION,
        "checkpoint": migrations.CHECKPOINT_VERSION,
        "trajectory": trajectory_layout.FORMAT_VERSION,
        "restart file: the propagator": migrations.RESTART_VERSION,
        "restart file: an on-the-fly run": migrations.ON_THE_FLY_VERSION,
        "restart file: a dynamics inside ASE": migrations.ASE_VERSION,
        "`curves.json`": curves_file.FORMAT_VERSION,
    }
    rows = "".join(f"| {name} | {version} |\n" for name, version in versions.items())
    return f"| format | version |\n| --- | --- |\n{rows}"
