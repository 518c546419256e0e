"""Resuming an interrupted run: its stored configuration, and the message on how to resume it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlmd.cli.program import typed_command
from mlmd.cli.signals import exit_code
from mlmd.cli.trust import import_modules_of, require_trusted, with_own_caches
from mlmd.errors import CalculatorError, ConfigError, MlmdError
from mlmd.io.run_folder import read_config
from mlmd.progress import say

BESIDE_RESUME = ("resume=", "trust=")
"""Beginnings of the overrides that a resumed run takes."""


def resumed_config(
    config: Mapping[str, Any], overrides: Sequence[str], *, longer: Sequence[str] = ()
) -> dict[str, Any]:
    """The configuration of the run to resume, in the present format.

    Args:
        config: of the command line, with ``resume`` and ``trust``.
        overrides: what the command line changes.
        longer: keys of lengths that the command line may raise.

    Raises:
        ConfigError: the command line changes something else, or lowers a length.
        DataError: the folder holds no configuration, or one that names code which is not trusted.
    """
    folder: str = config["resume"]
    beside = (*BESIDE_RESUME, *(f"{key}=" for key in longer))
    extra = [override for override in overrides if not override.startswith(beside)]
    if extra:
        raise ConfigError(f"resume= takes its configuration from {folder}; remove {' '.join(extra)}")
    import_modules_of(config.get("trust") or ())
    stored = read_config(Path(folder))
    require_trusted(stored, Path(folder) / "config.yaml", trusted=config.get("trust") or ())
    raised = {key: config[key] for key in longer if any(each.startswith(f"{key}=") for each in overrides)}
    for key, value in raised.items():
        if not (isinstance(value, int) and value > stored.get(key, 0)):
            raise ConfigError(f"{key} = {value} must be more than the {stored.get(key)} of the run that is extended")
    return with_own_caches(stored, config) | raised | {"resume": folder, "trust": config.get("trust")}


@contextmanager
def resumable(
    command: str,
    folder: Path,
    *,
    errors: tuple[type[MlmdError], ...] = (CalculatorError,),
    where: Callable[[], str] = lambda: "",
    is_saved: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """An interruption inside ends with a line on how to resume the run.

    Args:
        command: "train" or "simulate".
        folder: of the run.
        errors: after these a run can be resumed.
        where: returns how far the run is, for the error.
        is_saved: returns whether anything can be resumed.

    Raises:
        SystemExit: after an interruption, with `mlmd.cli.signals.exit_code`.
    """
    go_on = f"{typed_command(command)} resume={folder}"
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # Lightning exits by itself after an interruption
        saved = is_saved()
        say(f"interrupted; resume with: {go_on}" if saved else "interrupted before the first save; run it again")
        raise SystemExit(exit_code()) from None
    except errors as error:
        raise type(error)(f"{error} ({where()}all up to the last save is kept: {go_on})") from error
