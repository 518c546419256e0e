import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import cli, no_figures  # noqa: F401  # fixtures
from cli.running import process, trained_run


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    return trained_run(tmp_path_factory.getbasetemp())


@pytest.fixture
def killed(tmp_path) -> Callable[..., None]:
    """Runs a command as a process and kills it as soon as something is there, without a chance to tidy up."""

    def run(script: str, *arguments: str, once: Callable[[], bool]) -> None:
        command = process(script, *arguments, cwd=tmp_path)
        deadline = time.monotonic() + 120.0
        while not once():
            assert command.poll() is None, command.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        command.kill()
        _, spoken = command.communicate()
        assert command.returncode == -9, "it was through before it was killed"
        assert "Traceback" not in spoken

    return run


@pytest.fixture
def finished(tmp_path) -> Callable[..., str]:
    """Runs a command as a process to its end and gives back what it wrote."""

    def run(script: str, *arguments: str, code: int = 0, **options) -> tuple[str, str]:
        command = process(script, *arguments, cwd=tmp_path, **options)
        out, err = command.communicate(timeout=240)
        assert command.returncode == code, err
        return out, err

    return run
