"""The commands as Python functions: `mlmd.train` and `mlmd.simulate`."""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import open_dict

from mlmd.cli import launch  # noqa: F401  # registers the resolvers of the configuration
from mlmd.cli.entry import perform
from mlmd.cli.job import job_values
from mlmd.cli.overrides import check_overrides, first_line
from mlmd.cli.program import CONF
from mlmd.errors import ConfigError


def train(*settings: str, folder: str | Path, resume: bool = False) -> dict[str, float]:
    """Train a velocity predictor and judge it by rollouts, as the command ``mlmd train`` does.

    Like the command it prints its progress, seeds the random number generators of Python, NumPy and PyTorch, and sets
    the number of threads of PyTorch.

    Args:
        settings: as on the command line, for example "model=DuR0", "system=HCl" or "trainer.max_epochs=4"; all others
            have their defaults.
        folder: folder of the run, made if missing. It receives the checkpoints, ``metrics.json``, ``report.html`` and
            the other files that the command writes; those of an earlier run in it are replaced.
        resume: continue the interrupted run in ``folder``, whose own settings are used.

    Returns:
        The content of ``metrics.json``. The documentation lists every name with its unit and formula.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of range, or settings are given with ``resume``.
        DataError: the folder cannot be written, or holds nothing to resume.
        MlmdError: a file or a calculation failed.
    """
    return _run("train", [*settings], folder=folder, resume=resume)


def simulate(
    *settings: str, folder: str | Path, checkpoint: str | Path | None = None, resume: bool = False
) -> dict[str, float]:
    """Propagate new initial states with a trained predictor, as the command ``mlmd simulate`` does.

    Args:
        settings: as on the command line, for example "n_steps=20000", "injection=every_1000" or "mode=on_the_fly"; all
            others have their defaults.
        folder: folder of the run, made if missing. It receives ``trajectory.h5``, which `mlmd.read_trajectory` reads,
            ``reference.h5``, ``metrics.json`` and the other files that the command writes; those of an earlier run in
            it are replaced.
        checkpoint: a checkpoint file, or the folder of a training run, whose best checkpoint is used. It is needed
            unless the run trains its own predictor ("mode=on_the_fly").
        resume: continue the interrupted run in ``folder``, whose own settings are used.

    Returns:
        The content of ``metrics.json``. The documentation lists every name with its unit and formula.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of range, or settings are given with ``resume``.
        DataError: the folder cannot be written, the checkpoint cannot be read, or the folder holds nothing to resume.
        MlmdError: a file or a calculation failed.
    """
    given = [] if checkpoint is None else [f"checkpoint={_quoted(checkpoint)}"]
    return _run("simulate", [*given, *settings], folder=folder, resume=resume)


def _run(command: str, settings: list[str], *, folder: str | Path, resume: bool) -> dict[str, float]:
    """Compose the configuration as Hydra does for a command line, and run the command."""
    folder = Path(folder).resolve()
    overrides = [*settings, f"resume={_quoted(folder)}" if resume else f"hydra.run.dir={_quoted(folder)}"]
    shared, before = HydraConfig.instance(), HydraConfig.instance().cfg
    try:
        check_overrides(overrides, command)
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose(command, overrides=overrides, return_hydra_config=True)
        with open_dict(config):
            config.hydra.runtime.output_dir = _literal(folder)
        shared.set_config(config)
        with open_dict(config):
            del config["hydra"]
        return perform(command, job_values(config))
    except HydraException as error:
        raise ConfigError(first_line(error)) from error
    finally:
        shared.cfg = before


def _quoted(path: str | Path) -> str:
    """A path as a value of Hydra's grammar, whatever characters it holds."""
    return QuotedString(text=_literal(path), quote=Quote.single).with_quotes()


def _literal(path: str | Path) -> str:
    """A path in which OmegaConf finds no interpolation."""
    return str(path).replace("${", r"\${")
