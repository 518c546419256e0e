"""The dashboard as objects of W&B's own package wandb-workspaces; nothing here needs a network.

The package reads descriptions of W&B's interface; what it makes is sent by its ``save`` alone.
"""

import importlib
import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from mlmd.errors import ConfigError
from mlmd.reporting.dashboard.panels import Panel, Section

TITLE = "mlmd"

_CHART = "wandb/lineseries/v0"
_CHART_FIELDS = {"step": "step", "lineKey": "lineKey", "lineVal": "lineVal"}
"""W&B's preset for `wandb.plot.line_series` and the columns of the table that it logs."""


def make_workspace(sections: Sequence[Section], *, entity: str, project: str) -> Any:
    """A workspace: the panels over all runs that are chosen in the project's sidebar.

    Args:
        sections: what it shows.
        entity: W&B user or team.
        project: W&B project.

    Raises:
        ConfigError: wandb-workspaces is not installed.
    """
    package = _package("workspaces")
    return package.Workspace(
        entity=entity,
        project=project,
        name=TITLE,
        sections=[
            package.Section(name=section.name, panels=_panels(section), is_open=index == 0)
            for index, section in enumerate(sections)
        ],
        runset_settings=package.RunsetSettings(
            pinned_columns=["run:displayName", "config:labels.model", "config:labels.system", "config:labels.regime"]
        ),
    )


def make_report(sections: Sequence[Section], *, entity: str, project: str) -> Any:
    """A report: the same panels, section by section, each under its question.

    Args:
        sections: what it shows.
        entity: W&B user or team.
        project: W&B project.

    Raises:
        ConfigError: wandb-workspaces is not installed.
    """
    package = _package("reports.v2")
    blocks = []
    for section in sections:
        runs = package.Runset(entity=entity, project=project, name="Runs")
        blocks += [
            package.H1(section.name),
            package.P(section.question),
            package.PanelGrid(runsets=[runs], panels=_panels(section)),
        ]
    return package.Report(entity=entity, project=project, title=TITLE, blocks=blocks, width="fluid")


def _panels(section: Section) -> list[Any]:
    return [_MAKE[panel.kind](_package("reports.v2"), panel) for panel in section.panels]


def _line(package: ModuleType, panel: Panel) -> Any:
    return package.LinePlot(title=panel.title, x=panel.x, y=list(panel.keys), log_y=panel.log_y)


def _bar(package: ModuleType, panel: Panel) -> Any:
    groupby = None if panel.group_by is None else package.Config(panel.group_by)
    aggregate = None if panel.group_by is None else "median"
    return package.BarPlot(
        title=panel.title, metrics=list(panel.keys), groupby=groupby, groupby_aggfunc=aggregate, orientation="h"
    )


def _scatter(package: ModuleType, panel: Panel) -> Any:
    x, y = package.SummaryMetric(panel.x), package.SummaryMetric(panel.keys[0])
    return package.ScatterPlot(title=panel.title, x=x, y=y, log_y=panel.log_y)


def _table(package: ModuleType, panel: Panel) -> Any:
    return package.WeavePanelSummaryTable(table_name=panel.keys[0])


def _chart(package: ModuleType, panel: Panel) -> Any:
    return package.CustomChart(
        query={"summaryTable": {"tableKey": panel.keys[0]}},
        chart_name=_CHART,
        chart_fields=_CHART_FIELDS,
        chart_strings={"title": panel.title},
    )


def _image(package: ModuleType, panel: Panel) -> Any:
    return package.MediaBrowser(title=panel.title, media_keys=list(panel.keys))


_MAKE: dict[str, Callable[[ModuleType, Panel], Any]] = {
    "line": _line,
    "bar": _bar,
    "scatter": _scatter,
    "table": _table,
    "chart": _chart,
    "image": _image,
}


def _package(name: str) -> ModuleType:
    with warnings.catch_warnings():
        # The package itself uses what pydantic calls deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return importlib.import_module(f"wandb_workspaces.{name}")
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"the dashboard needs the package wandb-workspaces, which is not installed ({error.name} is missing): "
                "pip install -e '.[dashboard]'"
            ) from error
