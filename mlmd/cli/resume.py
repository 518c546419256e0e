"""An interrupted run is resumed: its stored configuration, and how a user is told to resume it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlmd.cli.program import typed_command
from mlmd.errors import CalculatorError, ConfigError, MlmdError
from mlmd.io.run_folder import read_config
from mlmd.progress import say

INTERRUPTED = 130
"""Exit code of a process that is ended from the keyboard, by the convention of shells: 128 + SIGINT."""


def resumed_config(folder: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of the run to resume, in the present format.

    Args:
        folder: of the run.
        overrides: what the command line changes.

    Raises:
        ConfigError: the command line changes more than the folder.
        DataError: the folder holds no configuration.
    """
    extra = [override for override in overrides if not override.startswith("resume=")]
    if extra:
        raise ConfigError(f"resume= takes its configuration from {folder}; remove {' '.join(extra)}")
    return read_config(Path(folder)) | {"resume": folder}


@contextmanager
def resumable(
    command: str,
    folder: Path,
    *,
    errors: tuple[type[MlmdError], ...] = (CalculatorError,),
    where: Callable[[], str] = lambda: "",
) -> Iterator[None]:
    """What is interrupted inside says how to resume it.

    Args:
        command: "train" or "simulate".
        folder: of the run.
        errors: after these a run can be resumed.
        where: says how far the run is, for the error.

    Raises:
        SystemExit: with code 130, after an interruption from the keyboard.
    """
    go_on = f"{typed_command(command)} resume={folder}"
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted; resume with: {go_on}")
        raise SystemExit(INTERRUPTED) from None
    except SystemExit:  # Lightning exits by itself after an interruption, once it has closed its files
        say(f"interrupted; resume with: {go_on}")
        raise
    except errors as error:
        raise type(error)(f"{error} ({where()}all up to the last save is kept: {go_on})") from error
