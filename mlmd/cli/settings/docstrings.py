"""What the arguments of a class or function mean, from the docstring in its source; nothing is imported."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import mlmd

_PACKAGE = Path(mlmd.__file__).parent
_SECTIONS = ("Args:", "Attributes:")
_OTHER_SECTIONS = ("Raises:", "Returns:", "Yields:")


@functools.cache
def arguments_of(target: str) -> dict[str, str]:
    """Meaning by name of what a class or function of this package takes; none for those of others.

    Args:
        target: dotted path, as in ``_target_``.

    >>> arguments_of("mlmd.systems.ThermalRegime")["temperature_K"]
    'temperature, K.'
    """
    module, _, name = target.rpartition(".")
    found = _definition(module, name)
    if found is None:
        return {}
    tree, node = found
    meanings: dict[str, str] = {}
    for base in node.bases if isinstance(node, ast.ClassDef) else []:
        if isinstance(base, ast.Name):
            meanings |= arguments_of(_origin(tree, module, base.id))
    return meanings | _sections(ast.get_docstring(node) or "")


def _definition(module: str, name: str) -> tuple[ast.Module, ast.ClassDef | ast.FunctionDef] | None:
    """The definition of a name, through the imports of packages."""
    tree = _parsed(module)
    if tree is None:
        return None
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return tree, node
    origin = _origin(tree, module, name)
    return None if origin == f"{module}.{name}" else _definition(*origin.rsplit(".", 1))


def _origin(tree: ast.Module, module: str, name: str) -> str:
    """The dotted path from which a module imports a name, or its own."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return f"{node.module}.{name}"
    return f"{module}.{name}"


@functools.cache
def _parsed(module: str) -> ast.Module | None:
    first, *rest = module.split(".")
    if first != "mlmd":
        return None
    path = _PACKAGE.joinpath(*rest)
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(source.read_text(encoding="utf-8")) if source.is_file() else None


def _sections(docstring: str) -> dict[str, str]:
    """The entries of the sections on arguments, each as one line."""
    return dict(_entries(docstring.splitlines()))


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    inside, name, words = False, "", [""]
    for line in [*lines, _OTHER_SECTIONS[0]]:
        entry = re.match(r"    (\*{0,2}\w+): (.*)$", line) if inside else None
        if line.strip() in (*_SECTIONS, *_OTHER_SECTIONS) or entry or (line and not line.startswith(" ")):
            if name:
                yield name, " ".join(words).strip()
            name, words = "", []
        if line.strip() in (*_SECTIONS, *_OTHER_SECTIONS):
            inside = line.strip() in _SECTIONS
        elif entry:
            name, words = entry[1].lstrip("*"), [entry[2]]
        elif name:
            words.append(line.strip())
