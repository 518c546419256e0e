"""Loads the hooks that write parts of the documentation."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def load_hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_hook", ROOT / "docs/hooks" / f"{name}.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook
