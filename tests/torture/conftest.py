import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.running import trained_run


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    return trained_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def size() -> Callable[[int, int], int]:
    """The number of tries of a campaign: the small one of the ordinary suite, the whole with TORTURE=1.

    Another number, TORTURE=0.1, is that part of the whole.
    """
    part = float(os.environ.get("TORTURE", "0"))

    def tries(small: int, whole: int) -> int:
        return max(small, round(part * whole)) if part else small

    return tries
