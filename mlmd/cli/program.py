"""Where the configuration files are, and which command line runs a command."""

import sys
from pathlib import Path

import mlmd

_PACKAGE = Path(mlmd.__file__).resolve().parent

CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"
"""The configuration files: inside an installed package, beside the package in a checkout."""


def job_command(command: str) -> list[str]:
    """The command line of a new process that runs ``train`` or ``simulate``, without its overrides."""
    script = CONF.parent / f"{command}.py"
    return [sys.executable, "-u", *([str(script)] if script.is_file() else ["-m", "mlmd", command])]


def typed_command(command: str) -> str:
    """The command as the user typed it, for messages on how to resume.

    Args:
        command: ``train`` or ``simulate``.

    Returns:
        ``python train.py`` if this process runs that script, else ``mlmd train``.
    """
    return f"python {command}.py" if Path(sys.argv[0]).name == f"{command}.py" else f"mlmd {command}"
