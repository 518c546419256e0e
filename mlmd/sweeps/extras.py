"""Optional packages that a choice needs."""

from importlib.util import find_spec

from mlmd.errors import ConfigError

_NEEDED = {
    "slurm": ("hydra-submitit-launcher", "hydra_plugins.hydra_submitit_launcher", "sweep"),
    "submitit_slurm": ("hydra-submitit-launcher", "hydra_plugins.hydra_submitit_launcher", "sweep"),
    "submitit_local": ("hydra-submitit-launcher", "hydra_plugins.hydra_submitit_launcher", "sweep"),
    "optuna": ("optuna", "optuna", "sweep"),
    "tensorboard": ("tensorboard", "tensorboard", "trackers"),
    "mlflow": ("mlflow", "mlflow", "trackers"),
}
"""By choice: the package, a module of it, and the extra of mlmd that installs it."""

_GROUPS = ("sweep", "hydra/launcher", "hydra/sweeper", "logger")


def require_extra(group: str, choice: str) -> None:
    """Refuse a choice whose package is not installed.

    Raises:
        ConfigError: with the package and how to install it.
    """
    if group not in _GROUPS or choice not in _NEEDED:
        return
    package, module, extra = _NEEDED[choice]
    if find_spec(module) is None:
        raise ConfigError(
            f"{group}={choice} needs the package {package}, which is not installed: pip install 'mlmd[{extra}]' "
            f"(in a checkout: pip install -e '.[{extra}]')"
        )
