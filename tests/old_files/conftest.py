import shutil
from pathlib import Path

import pytest
from cli.conftest import cli  # noqa: F401  # fixture


@pytest.fixture
def old(tmp_path) -> Path:
    """The stored files of the oldest version, in the working directory, for commands that write beside them."""
    shutil.copytree(Path(__file__).with_name("v1"), tmp_path, dirs_exist_ok=True)
    return tmp_path
