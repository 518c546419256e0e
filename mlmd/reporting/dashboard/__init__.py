"""The W&B dashboard as code: its panels, and the workspace and report made of them."""

from mlmd.reporting.dashboard.panels import SCHEDULES, Panel, Section, dashboard, rows

__all__ = ["SCHEDULES", "Panel", "Section", "dashboard", "rows"]
