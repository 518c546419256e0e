"""mlmd: machine-learned velocity updates that propagate molecular dynamics.

An MD step is a kick and a drift; MLMD changes only where the kick comes from. These names are enough for most uses:

    from mlmd import load_predictor, read_trajectory, simulate, train

They are imported when they are first used. Until then nothing heavy is imported, so that the command line answers at
once. Everything else is imported from its subpackage.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlmd.cli.api import simulate, train
    from mlmd.io.load_predictor import load_predictor
    from mlmd.io.trajectory_file import read_trajectory

__version__ = "0.1.0"

__all__ = ["load_predictor", "read_trajectory", "simulate", "train"]

_MODULES = {
    "load_predictor": "mlmd.io.load_predictor",
    "read_trajectory": "mlmd.io.trajectory_file",
    "simulate": "mlmd.cli.api",
    "train": "mlmd.cli.api",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'mlmd' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
