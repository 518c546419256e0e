"""The plan of the package, as CONTRIBUTING.md describes it: imports go down, files are short, settings are typed."""

import ast
import statistics
from pathlib import Path

import pytest

import mlmd
from architecture.imports import ROOMS, circles, of_commands_only, read_graph, upward

PACKAGE = Path(mlmd.__file__).parent

MAX_LINES, MAX_MEDIAN = 300, 120
"""Of a file, and of the middle one."""


def lines_by_file(package: Path) -> dict[str, int]:
    return {str(path): len(path.read_text().splitlines()) for path in package.rglob("*.py")}


def settings_by_subscript(package: Path) -> list[str]:
    """Where a module outside the commands reads a setting by its name in text, ``config["threads"]``.

    What a restart file holds is no setting, so the functions that read one back are left out.
    """
    found = []
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] == "cli" or path.name == "migrations.py":
            continue
        tree = ast.parse(path.read_text())
        readers = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and "state_dict" in node.name]
        restarts = {inner for reader in readers for inner in ast.walk(reader)}
        for node in ast.walk(tree):
            if node in restarts:
                continue
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                name = ast.unparse(node.value).rpartition(".")[2]
                if isinstance(node.slice.value, str) and name in ("values", "config", "settings", "options"):
                    found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.fixture(scope="module")
def graph():
    return read_graph(PACKAGE)


def test_every_module_stands_in_a_room(graph):
    assert {module.split(".")[1] for module in graph if "." in module} - {"__main__"} == set(ROOMS)


def test_no_import_goes_up(graph):
    assert upward(graph) == []


def test_no_modules_import_each_other(graph):
    assert circles(graph) == []


def test_hydra_is_imported_by_commands_alone(graph):
    assert of_commands_only(graph) == []


def test_files_are_short():
    lines = lines_by_file(PACKAGE)
    assert {path: number for path, number in lines.items() if number > MAX_LINES} == {}
    assert statistics.median(lines.values()) <= MAX_MEDIAN


def test_settings_are_typed_below_the_commands():
    assert settings_by_subscript(PACKAGE) == []


@pytest.fixture
def house(tmp_path):
    """A package of the same name with three rooms, to plant faults in."""
    package = tmp_path / "mlmd"
    for room in ("systems", "training", "cli"):
        (package / room).mkdir(parents=True)
        (package / room / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "training" / "fit.py").write_text("from mlmd.systems import table\n")
    (package / "systems" / "table.py").touch()
    return package


def test_a_sound_house_has_no_faults(house):
    (house / "cli" / "main.py").write_text("import hydra\nfrom mlmd.training import fit\n")
    graph = read_graph(house)
    assert upward(graph) == circles(graph) == of_commands_only(graph) == settings_by_subscript(house) == []


@pytest.mark.parametrize(
    "text",
    [
        "from mlmd.training.fit import fit\n",
        "from mlmd.training import fit\n",
        "import mlmd.training.fit\n",
        "def late():\n    from mlmd.training import fit\n",
    ],
)
def test_an_upward_import_is_found(house, text):
    (house / "systems" / "table.py").write_text(text)
    line = text.count("\n")
    assert upward(read_graph(house)) == [f"mlmd.systems.table:{line} imports mlmd.training.fit"]
    assert circles(read_graph(house)) == [["mlmd.systems.table", "mlmd.training.fit"]]


def test_a_circle_over_three_modules_is_found(house):
    for name, imported in (("a", "b"), ("b", "c"), ("c", "a")):
        (house / "systems" / f"{name}.py").write_text(f"from mlmd.systems.{imported} import something\n")
    assert circles(read_graph(house)) == [["mlmd.systems.a", "mlmd.systems.b", "mlmd.systems.c"]]


def test_hydra_outside_the_commands_is_found(house):
    (house / "training" / "fit.py").write_text("def late():\n    from hydra.utils import instantiate\n")
    assert of_commands_only(read_graph(house)) == ["mlmd.training.fit:2 imports hydra.utils"]


def test_a_setting_read_by_subscript_is_found(house):
    (house / "training" / "fit.py").write_text("def fit(files):\n    return files.values['seed']\n")
    assert settings_by_subscript(house) == ["fit.py:2: files.values['seed']"]
    (house / "training" / "fit.py").write_text("def fit(state):\n    return state['seed']\n")
    assert settings_by_subscript(house) == []
