import pytest

from mlmd.errors import ConfigError
from mlmd.sweeps import extras


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", {}.get)
    with pytest.raises(ConfigError) as error:
        extras.require_extra("sweep", "slurm")
    assert str(error.value) == (
        "sweep=slurm needs the package hydra-submitit-launcher, which is not installed: pip install 'mlmd[sweep]' "
        "(in a checkout: pip install -e '.[sweep]')"
    )
    with pytest.raises(ConfigError, match="hydra/sweeper=optuna needs the package optuna"):
        extras.require_extra("hydra/sweeper", "optuna")
    extras.require_extra("sweep", "two_jobs")
    extras.require_extra("model", "optuna")


@pytest.mark.parametrize("choice", ["slurm", "optuna", "submitit_local"])
def test_what_is_installed_passes(choice):
    extras.require_extra("sweep", choice)
