"""What a choice needs beyond the package itself."""

from importlib.util import find_spec

from mlmd.errors import ConfigError

_NEEDED = {
    "slurm": ("hydra-submitit-launcher", "hydra_plugins.hydra_submitit_launcher"),
    "submitit_slurm": ("hydra-submitit-launcher", "hydra_plugins.hydra_submitit_launcher"),
    "submitit_local": ("hydra-submitit-launcher", "hydra_plugins.hydra_submitit_launcher"),
    "optuna": ("optuna", "optuna"),
}
_GROUPS = ("sweep", "hydra/launcher", "hydra/sweeper")


def require_extra(group: str, choice: str) -> None:
    """Refuse a choice whose package is not installed.

    Raises:
        ConfigError: with the package and how to install it.
    """
    if group not in _GROUPS or choice not in _NEEDED:
        return
    package, module = _NEEDED[choice]
    if find_spec(module) is None:
        raise ConfigError(
            f"{group}={choice} needs the package {package}, which is not installed: pip install -e '.[sweep]'"
        )
