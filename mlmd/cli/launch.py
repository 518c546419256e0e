"""Between Hydra and the package: resolvers, strict instantiation, errors in one line.

Nothing else under ``mlmd`` imports Hydra but `mlmd.cli.overrides`, which checks the command line; sweeps are plugins of
Hydra and lie in ``hydra_plugins``. Heavy imports happen after the configuration is composed, so that ``--help`` and
``--cfg`` answer at once.
"""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from mlmd.cli.overrides import check_overrides, first_line
from mlmd.errors import ConfigError, MlmdError, nearest
from mlmd.files import unwritable
from mlmd.model_codes import variant_name
from mlmd.sweeps.digest import KEY, digest

BAD_INPUT = 2
"""Exit code of an error that the user can mend."""

REFUSING_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""What the system says when a disk takes no more; whoever writes then, it is no bug of ours."""


def run_folder(resume: str | None, fresh: str) -> str:
    """The folder of a run: the one to go on with, or a fresh one."""
    return fresh if resume is None else str(resume)


def checkpoint_label(checkpoint: str | None) -> str:
    """<system>/<variant> of a checkpoint beside its run's configuration, else its file's name: a folder for results."""
    path = Path(checkpoint or "none")
    config = (path if path.is_dir() else path.parent) / "config.yaml"
    try:
        run = OmegaConf.load(config)
        model = run.model
        return f"{run.system.name}/{variant_name(model.components, model.target, model.coordinate_frames)}"
    except (OSError, OmegaConfBaseException, YAMLError, AttributeError, KeyError, TypeError):
        return path.stem  # whatever is wrong with it, reading the checkpoint will say so


OmegaConf.register_new_resolver("run_folder", run_folder)
OmegaConf.register_new_resolver("checkpoint_label", checkpoint_label)
OmegaConf.register_new_resolver("folder_name", lambda path: Path(path or "none").name)
OmegaConf.register_new_resolver("add", lambda *numbers: sum(numbers))
OmegaConf.register_new_resolver("steps_of", lambda duration_fs, dt_fs: round(duration_fs / dt_fs))


def launch(main: Callable[[], None], *, config_name: str) -> None:
    """Run a Hydra application; a configuration that does not compose is one line and exit code 2.

    Args:
        main: function decorated by ``hydra.main``.
        config_name: its primary configuration.
    """
    arguments = sys.argv[1:]
    if not any(argument.startswith("-") and argument not in ("-m", "--multirun") for argument in arguments):
        with one_line_errors():
            overrides = [argument for argument in arguments if not argument.startswith("-")]
            check_overrides(overrides, config_name, multirun=len(overrides) < len(arguments))
    main()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns an `MlmdError` into one line on stderr and exit code 2; other errors are bugs and keep their traceback.

    A job that a sweep runs in its own process leaves its errors to the sweep, which goes on with the others.
    """
    try:
        yield
    except Exception as error:
        spoken: Exception = error
        if isinstance(error, OSError) and error.errno in REFUSING_DISK:
            spoken = unwritable(error.filename or "the output folder", error)
        if in_sweep():
            if not isinstance(spoken, MlmdError):
                traceback.print_exc()  # the sweep keeps one line of it
            raise spoken from None
        if not isinstance(spoken, MlmdError):
            raise
        _leave(spoken)


def in_sweep() -> bool:
    """Whether this process runs a job of a multirun now."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _leave(error: MlmdError) -> None:
    sys.stdout.flush()
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(BAD_INPUT) from None


def resolved(config: DictConfig) -> dict[str, Any]:
    """Plain Python values of a composed configuration, interpolations resolved.

    Raises:
        ConfigError: a mandatory value is missing or an interpolation fails.
    """
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(first_line(error)) from error
    return {str(key): value for key, value in dict(values).items()}  # type: ignore[arg-type]  # a mapping by contract


def job_values(config: DictConfig) -> dict[str, Any]:
    """What a job runs with: the resolved values, and their digest, by which a sweep finds the job's results again.

    A group of the logger that is not given is the chosen experiment; it decides no result and no digest.

    Raises:
        ConfigError: as `resolved`.
    """
    values = resolved(config)
    values |= {KEY: digest(values)}
    logger = values.get("logger")
    if isinstance(logger, dict) and "group" in logger and logger["group"] is None:
        logger["group"] = chosen_experiment()
    return values


def chosen_experiment() -> str | None:
    """The experiment of the job's command line, several joined by "+"; None where there is none."""
    chosen = None
    for line in HydraConfig.get().overrides.task:
        key, _, value = line.partition("=")
        if key.lstrip("+") == "experiment":
            chosen = "+".join(name.strip() for name in value.strip("[]").split(","))
    return chosen


def job_overrides() -> list[str]:
    """What the command line changed of this job's configuration; how jobs are swept is none of it."""
    return [line for line in HydraConfig.get().overrides.task if not line.startswith("sweep=")]


def build(node: Any, path: str, **keywords: Any) -> Any:
    """Instantiate a node, strictly.

    Args:
        node: plain mapping with ``_target_``.
        path: where it stands, for messages.
        keywords: further arguments, passed on as they are.

    Raises:
        ConfigError: no ``_target_``, an unknown one, or arguments it does not take.
    """
    _require_targets(node, path)
    try:
        if not keywords:
            return hydra.utils.instantiate(dict(node), _convert_="all")
        # Hydra itself would take a dataclass among the arguments for a configuration, and make a dict of it.
        return hydra.utils.instantiate(dict(node), _convert_="all", _partial_=True)(**keywords)
    except TypeError as error:
        raise ConfigError(f"{path}: {_what_failed(node, error, error)}") from error
    except HydraException as error:
        cause = error.__cause__
        while isinstance(cause, HydraException) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, MlmdError):
            raise cause from error
        raise ConfigError(f"{path}: {_what_failed(node, cause, error)}") from error


def _what_failed(node: Mapping[str, Any], cause: BaseException | None, error: Exception) -> str:
    if isinstance(cause, TypeError):
        # "not supported between" and the like are Python's words for a value of the wrong type.
        return str(cause) if "argument" in str(cause) else f"a value has the wrong type ({cause})"
    if isinstance(cause, ImportError | AttributeError) and "Error locating target" in str(error):
        module, _, name = str(node["_target_"]).rpartition(".")
        known = vars(sys.modules[module]) if module in sys.modules else ()
        return f"there is no {node['_target_']}" + (f": {nearest(name, known)}" if known else "")
    return first_line(error)


def _require_targets(node: Any, path: str) -> None:
    """Refuse a node, or one inside it, without ``_target_``: Hydra would pass it on as a bare mapping."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        has = ", ".join(map(repr, node)) if isinstance(node, Mapping) and node else "nothing"
        raise ConfigError(f"{path} has no _target_, so nothing can be made of it (it has {has})")
    for key, value in node.items():
        if isinstance(value, Mapping):
            _require_targets(value, f"{path}.{key}")


def set_environment(threads: int) -> None:
    """Thread counts of the numerical libraries, before they are imported.

    Raises:
        ConfigError: fewer than one thread.
    """
    if threads < 1:
        raise ConfigError(f"threads = {threads} must be at least 1")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
