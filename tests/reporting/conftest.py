import pytest

from mlmd.reporting import RunLabel


@pytest.fixture
def label() -> RunLabel:
    return RunLabel("HCl", "3vR0", "vibrating", "harmonic", n_replicas=16, n_steps=20_000, dt_fs=0.5, seed=12)
