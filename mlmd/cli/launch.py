"""Connects Hydra to the package: resolvers, folders of runs, and errors in one line.

Heavy libraries are imported after the configuration is composed, so that ``--help`` and ``--cfg`` return at once.
Sweeps are plugins of Hydra, in ``hydra_plugins``.
"""

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf
from yaml import YAMLError

from mlmd.cli.overrides import MULTIRUN, arranged, check_overrides
from mlmd.errors import ConfigError, MlmdError
from mlmd.files import require_plain_name, unwritable
from mlmd.model_codes import variant_name

BAD_INPUT = 2
"""Exit code of an error that the user can correct."""

MAX_LETTERS = 300
"""Largest number of letters in an error message."""

NO_MEMORY = re.compile(
    "can't allocate memory|not enough memory|out of memory|size calculation overflowed|multiplication overflow",
    re.IGNORECASE,
)
"""Parts of PyTorch's messages for an allocation that fails."""

REFUSING_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""Error numbers of the operating system for a disk that accepts no more data, which is no bug of mlmd."""


def run_folder(resume: str | None, fresh: str) -> str:
    """The folder of a run: that of the run to resume, or a new one."""
    return fresh if resume is None else str(resume)


def checkpoint_label(checkpoint: str | None) -> str:
    """Folder for the results of a checkpoint: <system>/<variant> of the configuration beside it, else its file name."""
    path = Path(checkpoint or "none")
    folder = path if path.is_dir() else path.parent
    try:
        run = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        model, name = run["model"], require_plain_name(run["system"]["name"], what="system.name")
        return f"{name}/{variant_name(model['components'], model['target'], model['coordinate_frames'])}"
    except (OSError, ValueError, YAMLError, MlmdError, AttributeError, KeyError, TypeError):
        return path.stem or "checkpoint"  # reading the checkpoint later raises an error with the cause


OmegaConf.register_new_resolver("run_folder", run_folder)
OmegaConf.register_new_resolver("checkpoint_label", checkpoint_label)
OmegaConf.register_new_resolver("folder_name", lambda path: Path(path or "none").name)
OmegaConf.register_new_resolver("add", lambda *numbers: sum(numbers))
OmegaConf.register_new_resolver("steps_of", lambda duration_fs, dt_fs: round(duration_fs / dt_fs))


def launch(main: Callable[[], None], *, config_name: str) -> None:
    """Run a Hydra application; an invalid configuration ends it with one line and exit code 2.

    Args:
        main: function decorated by ``hydra.main``.
        config_name: its primary configuration.
    """
    with one_line_errors():
        arguments = arranged(sys.argv[1:])
    sys.argv = [sys.argv[0], *arguments]
    if not any(argument.startswith("-") and argument not in MULTIRUN for argument in arguments):
        with one_line_errors():
            overrides = [argument for argument in arguments if not argument.startswith("-")]
            check_overrides(overrides, config_name, multirun=len(overrides) < len(arguments))
    main()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns an `MlmdError` into one line on stderr and exit code 2; other errors are bugs and keep their traceback.

    In a job of a sweep the error is raised instead, so that the sweep records it and continues with the other jobs.
    """
    try:
        yield
    except Exception as error:
        spoken = _spoken(error)
        if in_sweep():
            if not isinstance(spoken, MlmdError):
                traceback.print_exc()  # the sweep records only one line of it
            raise spoken from None
        if not isinstance(spoken, MlmdError):
            raise
        _leave(spoken)


def one_line(text: str) -> str:
    r"""A message as one line; of a long one the middle is left out, since the end holds the cure.

    >>> len(one_line("error: " + 400 * "x")), one_line("two\nlines")
    (300, 'two lines')
    """
    line = " ".join(text.split())
    half = (MAX_LETTERS - 5) // 2
    return line if len(line) <= MAX_LETTERS else f"{line[: MAX_LETTERS - 5 - half]} ... {line[-half:]}"


def _spoken(error: Exception) -> Exception:
    """An `MlmdError` in place of an error of the machine: a full disk or too little memory."""
    if isinstance(error, OSError) and error.errno in REFUSING_DISK:
        return unwritable(error.filename or "the output folder", error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY.search(str(error))):
        return MlmdError(
            "this run needs more memory than there is; lower the number of replicas, steps, batches or hidden units"
        )
    return error


def in_sweep() -> bool:
    """Whether this process is running a job of a multirun."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _leave(error: MlmdError) -> None:
    sys.stdout.flush()
    print(one_line(f"error: {error}"), file=sys.stderr)
    raise SystemExit(BAD_INPUT) from None


def set_environment(threads: int) -> None:
    """Set the thread counts of the numerical libraries and how figures are drawn; call it before they are imported.

    Raises:
        ConfigError: fewer than one thread.
    """
    if not isinstance(threads, int):
        raise ConfigError(f"threads = {threads} must be a whole number")
    if threads < 1:
        raise ConfigError(f"threads = {threads} must be at least 1")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["MPLBACKEND"] = "Agg"  # figures go to files; what a notebook sets is not installed everywhere
