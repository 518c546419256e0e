"""Between Hydra and the package: resolvers, checks of the command line, strict instantiation, errors in one line.

Nothing else under ``mlmd`` imports Hydra. Heavy imports happen after the configuration is composed, so that ``--help``
and ``--cfg`` answer at once.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlmd.errors import ConfigError, MlmdError, nearest

CONF = Path(__file__).resolve().parent.parent / "conf"
"""The configuration of the checkout; the root scripts are part of it too."""

BAD_INPUT = 2
"""Exit code of an error that the user can mend."""


def run_folder(resume: str | None, fresh: str) -> str:
    """The folder of a run: the one to go on with, or a fresh one."""
    return fresh if resume is None else str(resume)


def checkpoint_label(checkpoint: str | None) -> str:
    """<system>/<model> of a training run's folder or checkpoint, for the folder of what is made with it."""
    path = Path(checkpoint or "none")
    folder = path if path.is_dir() else path.parent
    parts = folder.resolve().parts
    return "/".join(parts[-3:-1]) if (folder / "config.yaml").is_file() else path.stem


OmegaConf.register_new_resolver("run_folder", run_folder)
OmegaConf.register_new_resolver("checkpoint_label", checkpoint_label)


def launch(main: Callable[[], None], *, config_name: str) -> None:
    """Run a Hydra application; a configuration that does not compose is one line and exit code 2.

    Args:
        main: function decorated by ``hydra.main``.
        config_name: its primary configuration.
    """
    arguments = sys.argv[1:]
    if not any(argument.startswith("-") and argument not in ("-m", "--multirun") for argument in arguments):
        with one_line_errors():
            check_overrides([argument for argument in arguments if not argument.startswith("-")], config_name)
    main()


class one_line_errors:  # noqa: N801 - a context manager, read as a verb phrase
    """Turns an `MlmdError` into one line on stderr and exit code 2; other errors are bugs and keep their traceback."""

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Print and exit."""
        if isinstance(error, MlmdError):
            sys.stdout.flush()
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(BAD_INPUT) from None


def check_overrides(arguments: list[str], config_name: str) -> None:
    """Compose the configuration once before Hydra does, to word what is wrong with it.

    Raises:
        ConfigError: an unknown group, choice or key (nearest names offered), or a value that cannot be parsed.
    """
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            overrides = OverridesParser.create().parse_overrides(arguments)
        except HydraException as error:
            raise ConfigError(f"cannot read the command line: {_first_line(error)}") from error
        known = _known_keys(config_name)
        for override in overrides:
            _check_key(override, known)
        for combination in _one_at_a_time(overrides):
            try:
                hydra.compose(config_name, overrides=combination)
            except (HydraException, OmegaConfBaseException) as error:
                raise ConfigError(_first_line(error)) from error


def _known_keys(config_name: str) -> set[str]:
    """Dotted keys of the default configuration, all of its nodes included."""
    keys: set[str] = set()

    def collect(node: Any, path: str) -> None:
        keys.add(path)
        if isinstance(node, Mapping):
            for key, value in node.items():
                collect(value, f"{path}.{key}" if path else str(key))

    collect(OmegaConf.to_container(hydra.compose(config_name), resolve=False), "")
    return keys - {""}


def _groups() -> dict[str, set[str]]:
    return {
        folder.name: {file.stem for file in folder.glob("*.yaml")}
        for folder in sorted(CONF.iterdir())
        if folder.is_dir()
    }


def _check_key(override: Override, known: set[str]) -> None:
    """Refuse unknown groups, choices and top-level keys; keys below a chosen group are left to composition."""
    groups = _groups()
    key = override.get_key_element().lstrip("+~").split("@")[0]
    if key in groups:
        values = list(override.sweep_string_iterator()) if override.is_sweep_override() else [override.value()]
        for value in values:
            name = str(value)
            if value is not None and name not in groups[key]:
                raise ConfigError(f"{key}={name}: there is no such {key}: {nearest(name, groups[key])}")
        return
    top = key.split(".")[0].split("/")[0]
    if top == "hydra" or override.is_force_add() or key in known:
        return
    if top not in groups and top not in {name.split(".")[0] for name in known}:
        raise ConfigError(f"{key}: there is no such key: {nearest(key, known | set(groups))}")


def _one_at_a_time(overrides: Iterable[Override]) -> list[list[str]]:
    """Plain override lists that between them take every value of every sweep once."""
    plain, swept = [], []
    for override in overrides:
        if override.is_sweep_override():
            key = override.get_key_element()
            swept.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            plain.append(str(override.input_line))
    longest = max((len(values) for values in swept), default=1)
    return [plain + [values[min(turn, len(values) - 1)] for values in swept] for turn in range(longest)]


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return f"there is no configuration {error.missing_cfg_file!r}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(line for line in lines[:2] if not line.startswith("full_key:") or len(lines) > 1)


def resolved(config: DictConfig) -> dict[str, Any]:
    """Plain Python values of a composed configuration, interpolations resolved.

    Raises:
        ConfigError: a mandatory value is missing or an interpolation fails.
    """
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(_first_line(error)) from error
    return {str(key): value for key, value in dict(values).items()}  # type: ignore[arg-type]  # a mapping by contract


def build(node: Any, path: str, **keywords: Any) -> Any:
    """Instantiate a node, strictly.

    Args:
        node: plain mapping with ``_target_``.
        path: where it stands, for messages.
        keywords: further arguments.

    Raises:
        ConfigError: no ``_target_``, an unknown one, or arguments it does not take.
    """
    _require_targets(node, path)
    try:
        return hydra.utils.instantiate(dict(node), _convert_="all", **keywords)
    except HydraException as error:
        cause = error.__cause__
        while isinstance(cause, HydraException) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, MlmdError):
            raise cause from error
        detail = str(cause) if isinstance(cause, TypeError) else _first_line(error)
        raise ConfigError(f"{path}: {detail}") from error


def _require_targets(node: Any, path: str) -> None:
    """Refuse a node, or one inside it, without ``_target_``: Hydra would pass it on as a bare mapping."""
    if not isinstance(node, Mapping) or "_target_" not in node:
        found = f" (it has {nearest('_target_', map(str, node))})" if isinstance(node, Mapping) and node else ""
        raise ConfigError(f"{path} has no _target_, so nothing can be made of it{found}")
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
