"""The configuration of one job of a sweep, and its folder."""

import threading
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

_ONE_AT_A_TIME = threading.Lock()
"""Hydra composes with the help of global state, and jobs start from several threads."""


def compose_job(
    context: HydraContext, sweep_config: DictConfig, overrides: Sequence[str], number: int
) -> tuple[DictConfig, Path]:
    """Compose a job.

    Args:
        context: Hydra's.
        sweep_config: of the whole sweep.
        overrides: the job's own.
        number: of the job, which may be part of its folder's name.

    Returns:
        The configuration, with its ``hydra`` node, and the folder.
    """
    with _ONE_AT_A_TIME:
        previous = HydraConfig.instance().cfg
        try:
            config = context.config_loader.load_sweep_config(sweep_config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = number
            HydraConfig.instance().set_config(config)  # for the names of choices in the folder's path
            return config, Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir
        finally:
            HydraConfig.instance().cfg = previous


def quoted(path: Path | str) -> str:
    """A path as a value of a Hydra override."""
    return QuotedString(str(path), quote=Quote.single).with_quotes()
