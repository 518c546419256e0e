"""Reports of a run: figures as PNG files, pages, and a table on the console."""

from mlmd.reporting.console import print_summary, summary_table
from mlmd.reporting.figures import (
    bond_figure,
    dynamics_figure,
    energy_error_figure,
    loss_figure,
    trajectory_picture,
    velocity_figure,
)
from mlmd.reporting.style import RunLabel

__all__ = [
    "RunLabel",
    "bond_figure",
    "dynamics_figure",
    "energy_error_figure",
    "loss_figure",
    "print_summary",
    "summary_table",
    "trajectory_picture",
    "velocity_figure",
]
