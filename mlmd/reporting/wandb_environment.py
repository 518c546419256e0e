"""What the variables of the environment say of a W&B run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlmd.errors import ConfigError, nearest, short

MODES = ("online", "offline", "shared", "disabled", "dryrun", "run")
"""Words that W&B takes for ``WANDB_MODE``."""


def wandb_mode(mode: str) -> Any:
    """How W&B takes a run: as the variable ``WANDB_MODE`` says, else as given.

    Raises:
        ConfigError: the variable holds a word that W&B does not know.
    """
    chosen = os.environ.get("WANDB_MODE") or mode
    if chosen not in MODES:
        raise ConfigError(f"the variable WANDB_MODE is {short(chosen, quoted=True)}; {nearest(chosen, MODES)}")
    return chosen


@contextmanager
def staging_in(folder: Path) -> Iterator[None]:
    """What W&B stages for a later upload, tables for one, lies with the run and not in the home directory."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder.resolve())
    try:
        yield
    finally:
        os.environ.pop("WANDB_DATA_DIR", None)
