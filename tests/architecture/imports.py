"""Which module imports which, read from the source without running it."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOMS = (
    "units",
    "state",
    "errors",
    "plain_types",
    "registered",
    "files",
    "model_codes",
    "progress",
    "hamiltonians",
    "systems",
    "decomposition",
    "models",
    "io",
    "propagation",
    "observables",
    "data",
    "evaluation",
    "training",
    "on_the_fly",
    "reporting",
    "sweeps",
    "cli",
    "ase",
)
"""From top to bottom; a module imports from its own room and those before it."""

DOORS = {"mlmd", "mlmd.__main__"}
"""Modules that open the package to users: they may import from every room, at first use, and all may import them."""

ONLY_IN_COMMANDS = ("hydra", "omegaconf")
"""Packages that the commands alone import."""

Graph = dict[str, dict[str, int]]
"""By module: the modules that it imports, each with the line."""


def read_graph(package: Path) -> Graph:
    """The imports of all modules of a package, those inside functions included.

    Args:
        package: its folder.
    """
    paths = {module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {name: dict(_imports(path, package, paths)) for name, path in paths.items()}


def module_name(path: Path, package: Path) -> str:
    """ "mlmd.io.xyz" of mlmd/io/xyz.py; a folder's name of its __init__.py."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, package: Path, known: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole if whole in known else str(node.module)), node.lineno


def upward(graph: Graph) -> list[str]:
    """Imports from a room further down, in words."""
    rank = {room: number for number, room in enumerate(ROOMS)}
    found = []
    for module, imports in graph.items():
        if module in DOORS:
            continue
        for imported, line in imports.items():
            if imported.startswith("mlmd.") and rank[_room(imported)] > rank[_room(module)]:
                found.append(f"{module}:{line} imports {imported}")
    return found


def of_commands_only(graph: Graph) -> list[str]:
    """Imports outside the commands of what they alone import."""
    return [
        f"{module}:{line} imports {imported}"
        for module, imports in graph.items()
        for imported, line in imports.items()
        if imported.split(".")[0] in ONLY_IN_COMMANDS and _room(module) != "cli"
    ]


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others (Tarjan 1972)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for imported in graph[module]:
            if imported not in graph or imported == module or imported in DOORS:
                continue
            if imported not in order:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], order[imported])
        if low[module] == order[module]:
            start = stack.index(module)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for module in graph:
        if module not in order:
            visit(module)
    return found


def _room(module: str) -> str:
    return [*module.split("."), ""][1]
