"""The dashboard as objects of wandb-workspaces: made without a network, and holding every name that a panel reads."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from mlmd.reporting.dashboard import dashboard
from mlmd.reporting.dashboard.build import make_report, make_workspace

pytest.importorskip("wandb_workspaces")


@pytest.fixture(autouse=True)
def no_network(monkeypatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the dashboard asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("wandb.Api", refuse)


def described(panel: Any) -> str:
    """What W&B is told of a panel."""
    text: str = panel._to_model().model_dump_json(by_alias=True, exclude_none=True)
    return text


def test_the_workspace_has_every_section_and_panel():
    sections = dashboard()
    workspace = make_workspace(sections, entity="me", project="ours")
    assert (workspace.entity, workspace.project) == ("me", "ours")
    assert [section.name for section in workspace.sections] == [section.name for section in sections]
    for made, section in zip(workspace.sections, sections, strict=True):
        assert_panels(made.panels, section.panels)
    assert "curve/never/energy_error_median" in workspace._to_model().model_dump_json(by_alias=True)


def test_the_report_has_every_section_and_panel():
    sections = dashboard()
    report = make_report(sections, entity="me", project="ours")
    grids = [block for block in report.blocks if hasattr(block, "panels")]
    assert [grid.runsets[0].project for grid in grids] == ["ours"] * len(sections)
    for grid, section in zip(grids, sections, strict=True):
        assert_panels(grid.panels, section.panels)


def assert_panels(made: Any, panels: Any) -> None:
    for one, panel in zip(made, panels, strict=True):
        text = described(one)
        assert [name for name in panel.keys if f'"{name}"' not in text and f":{name}" not in text] == []
        if panel.x is not None:
            assert panel.x in text or panel.x == "epoch"
        assert ("labels" in text) == (panel.group_by is not None)


@pytest.mark.parametrize("make", [make_workspace, make_report])
def test_lines_have_their_own_axis_and_scale(make: Callable[..., Any]):
    made = make(dashboard(), entity="me", project="ours")
    groups = made.sections if make is make_workspace else made.blocks
    panels = [panel for group in groups for panel in getattr(group, "panels", [])]
    (line,) = [panel for panel in panels if getattr(panel, "title", None) == "Energy error, median replica"]
    assert (line.x, line.log_y, len(line.y)) == ("rollout/time_ps", True, 4)
