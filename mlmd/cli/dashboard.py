"""``mlmd dashboard``: prints the panels of the W&B dashboard, or creates them in a W&B project."""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mlmd.errors import ConfigError, MlmdError
from mlmd.reporting.dashboard import SCHEDULES, Section, dashboard, rows

BAD_INPUT = 2
"""Exit code of an error that the user can mend, as for the other commands."""

WIDTH = 140


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the dashboard, or make it in a W&B project; the exit code."""
    parser = argparse.ArgumentParser(prog="mlmd dashboard", description=__doc__)
    parser.add_argument("--entity", help="W&B user or team that owns the project")
    parser.add_argument("--project", default="mlmd", help="W&B project (default: mlmd)")
    parser.add_argument("--schedules", nargs="+", default=SCHEDULES, help="injection schedules the runs were judged by")
    parser.add_argument("--dry-run", action="store_true", help="print sections and panels; needs no network")
    options = parser.parse_args(arguments)
    sections = dashboard(options.schedules)
    if options.dry_run:
        show(sections)
        return 0
    try:
        if options.entity is None:
            raise ConfigError("--entity is missing: give the W&B user or team that owns the project, or --dry-run")
        for kind, address in save(sections, entity=options.entity, project=options.project).items():
            print(f"{kind}: {address}")
    except MlmdError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def show(sections: Sequence[Section]) -> None:
    """Print sections, panels and the names that they read."""
    table = Table(box=SIMPLE_HEAD, show_lines=True)
    for heading in ("section", "panel", "kind", "reads"):
        table.add_column(heading, overflow="fold")
    for row in rows(sections):
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    # rich takes 80 columns where there is no terminal, and names must not fold.
    console = console if console.is_terminal else Console(highlight=False, markup=False, width=WIDTH)
    console.print(table)


def save(sections: Sequence[Section], *, entity: str, project: str) -> dict[str, str]:
    """Send a new workspace and a new report to W&B.

    Args:
        sections: what they show.
        entity: W&B user or team.
        project: W&B project.

    Returns:
        Their addresses, by kind.

    Raises:
        ConfigError: wandb-workspaces is missing, no user is logged in, or W&B cannot be reached or refuses.
    """
    os.environ.setdefault("WANDB_SILENT", "true")
    from mlmd.reporting.dashboard.build import make_report, make_workspace

    addresses = {}
    for kind, make in (("workspace", make_workspace), ("report", make_report)):
        made = make(sections, entity=entity, project=project)
        try:
            made.save()
        except Exception as error:  # the package raises bare Exceptions too
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ConfigError(
                f"W&B did not take the {kind} for {entity}/{project}: {reason} (`wandb login` and a network are needed)"
            ) from error
        addresses[kind] = str(made.url)
    return addresses


if __name__ == "__main__":
    raise SystemExit(main())
