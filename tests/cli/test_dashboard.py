"""Every panel of the dashboard finds its data in the file of an offline run."""

import json
from math import isfinite
from pathlib import Path

import pytest

from cli.running import compose
from cli.wandb_file import entries, logged_by, rows, tracked_run
from mlmd.cli import dashboard as command
from mlmd.errors import ConfigError
from mlmd.reporting.dashboard import SCHEDULES, Panel, dashboard


class Logged:
    """What a run's file offers to panels."""

    def __init__(self, folder: Path) -> None:
        records = logged_by(folder)
        self.folder = folder
        self.rows = rows(records)
        self.history = entries(records, "history")
        self.summary = {name: values[-1] for name, values in entries(records, "summary").items()}
        self.config = {name: values[-1] for name, values in entries(records, "run").items()}

    def missing(self, panel: Panel) -> list[str]:
        """Names that the panel reads and would not find."""
        absent = [name for name in panel.keys if not getattr(self, f"_has_{panel.kind}")(name, panel)]
        if panel.group_by is not None and not self._configured(panel.group_by):
            absent.append(panel.group_by)
        return absent

    def _has_line(self, name: str, panel: Panel) -> bool:
        """A line needs both numbers in one row."""
        return any(_is_number(row.get(name)) and _is_number(row.get(panel.x)) for row in self.rows)

    def _has_bar(self, name: str, panel: Panel) -> bool:
        return _is_number(self.summary.get(name))

    def _has_scatter(self, name: str, panel: Panel) -> bool:
        return _is_number(self.summary.get(name)) and _is_number(self.summary.get(panel.x))

    def _has_image(self, name: str, panel: Panel) -> bool:
        return self.history.get(f"{name}._type") == ["image-file"] and self._file(name).stat().st_size > 0

    def _has_table(self, name: str, panel: Panel) -> bool:
        return bool(self._table(name).get("data"))

    def _has_chart(self, name: str, panel: Panel) -> bool:
        table = self._table(name)
        return bool(table.get("data")) and table["columns"] == ["step", "lineKey", "lineVal"]

    def _table(self, name: str) -> dict:
        known = self.history.get(f"{name}._type") == ["table-file"]
        return json.loads(self._file(name).read_text()) if known else {}

    def _file(self, name: str) -> Path:
        (path,) = self.folder.glob(f"wandb/offline-run-*/files/{self.history[f'{name}.path'][-1]}")
        return path

    def _configured(self, path: str) -> bool:
        node = self.config
        for word in path.split("."):
            node = node.get(word, {})
        return node != {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Logged:
    return Logged(tracked_run(tmp_path_factory.getbasetemp()))


PANELS = [pytest.param(panel, id=panel.title) for section in dashboard() for panel in section.panels]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_finds_its_data(logged, panel):
    assert logged.missing(panel) == []


@pytest.mark.parametrize(
    "planted",
    [
        Panel("", "line", ("train/los",), x="epoch"),
        Panel("", "line", ("train/loss",), x="rollout/time_ps"),
        Panel("", "bar", ("rollout/every_10/vacf_error",)),
        Panel("", "bar", ("val/best",), group_by="labels.molecule"),
        Panel("", "scatter", ("val/best",), x="test/velocity_mea_A_per_fs"),
        Panel("", "table", ("dynamics/table",)),
        Panel("", "chart", ("rollout/table",)),
        Panel("", "image", ("figures/los",)),
    ],
)
def test_a_panel_that_advertises_what_is_not_logged_is_found_out(logged, planted):
    assert logged.missing(planted) == [planted.group_by or planted.keys[0]]


def test_the_schedules_are_those_of_the_configuration():
    assert tuple(compose("train")["rollout"]["injections"]) == SCHEDULES


def test_a_dry_run_prints_every_panel_and_what_it_reads(capsys):
    assert command.main(["--dry-run", "--schedules", "burst"]) == 0
    printed = capsys.readouterr().out
    for section in dashboard(["burst"]):
        for panel in section.panels:
            assert all(name in printed for name in (section.name, *panel.title.split(), *panel.reads))
    assert "every_100" not in printed


def test_the_owner_is_asked_for(capsys):
    assert command.main([]) == command.BAD_INPUT
    assert capsys.readouterr().err.startswith("error: --entity is missing")


def test_what_w_and_b_refuses_is_one_line(monkeypatch, capsys):
    workspaces = pytest.importorskip("wandb_workspaces.workspaces")

    def refuse(self):
        raise OSError("no route\nto host")

    monkeypatch.setattr(workspaces.Workspace, "save", refuse)
    assert command.main(["--entity", "me"]) == command.BAD_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: W&B did not take the workspace for me/mlmd: no route to host (`wandb login`")


def test_both_are_sent_and_their_addresses_printed(monkeypatch, capsys):
    class Made:
        url = "https://example.org/view"
        saved = 0

        def save(self):
            Made.saved += 1

    for kind in ("workspace", "report"):
        monkeypatch.setattr(f"mlmd.reporting.dashboard.build.make_{kind}", lambda *_, **__: Made())
    assert command.main(["--entity", "me", "--project", "ours"]) == 0
    assert Made.saved == 2
    assert capsys.readouterr().out == "workspace: https://example.org/view\nreport: https://example.org/view\n"


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb_workspaces.workspaces", None)
    with pytest.raises(ConfigError, match=r"needs the package wandb-workspaces.*pip install -e '\.\[dashboard\]'"):
        command.save(dashboard(), entity="me", project="ours")
