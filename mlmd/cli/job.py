"""The resolved values that a job of the command line runs with."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlmd.cli.overrides import first_line
from mlmd.cli.program import CONF
from mlmd.cli.trust import trusted_by
from mlmd.errors import ConfigError
from mlmd.io.migrations import CONFIG_VERSION, VERSION_KEY
from mlmd.sweeps.digest import KEY, digest


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
    values["trust"] = trusted_by(values["trust"], own_folders())
    values |= {VERSION_KEY: CONFIG_VERSION, KEY: digest(values)}
    for node in (values["logger"], *values["logger"].values()):
        if isinstance(node, dict) and "group" in node and node["group"] is None:
            node["group"] = chosen_experiment()
    return values


def own_folders() -> list[Path]:
    """Configuration folders of the command line, beside the shipped one."""
    sources = HydraConfig.get().runtime.config_sources
    paths = [Path(source.path) for source in sources if source.schema == "file" and source.path]
    return [path for path in paths if path.resolve() != CONF.resolve()]


def chosen_experiment() -> str | None:
    """The experiment of the job's command line, several joined by "+"; None where there is none."""
    chosen = None
    for line in _typed_overrides():
        key, _, value = line.partition("=")
        if key.lstrip("+") == "experiment":
            chosen = "+".join(name.strip() for name in value.strip("[]").split(","))
    return chosen


def job_overrides() -> list[str]:
    """What the command line changed of this job's configuration; how jobs are swept is none of it."""
    return [line for line in _typed_overrides() if not line.startswith("sweep=")]


def _typed_overrides() -> list[str]:
    """The overrides as typed; read as a list of Hydra's, an interpolation in one would be resolved in that list."""
    lines = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)
    return [str(line) for line in lines or ()]
