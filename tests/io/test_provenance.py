import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

import mlmd
from mlmd.io.provenance import code_version, provenance


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    code_version.cache_clear()
    yield
    code_version.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with one commit, which mlmd seems to be imported from."""
    (tmp_path / "mlmd").mkdir()
    (tmp_path / "mlmd" / "__init__.py").write_text("")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first")
    monkeypatch.setattr(mlmd, "__file__", str(tmp_path / "mlmd" / "__init__.py"))
    return tmp_path


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_versions_are_those_of_the_imported_libraries() -> None:
    facts = provenance(seed=7, command=["simulate.py", "system=my molecule"])
    assert facts["mlmd"] == mlmd.__version__
    assert torch.__version__ in (facts["torch"], f"{facts['torch']}+cu{(torch.version.cuda or '').replace('.', '')}")
    assert facts["numpy"] == np.__version__
    assert facts["lightning"]
    assert facts["seed"] == 7
    assert facts["command"] == "simulate.py 'system=my molecule'"
    assert isinstance(facts["n_cpus"], int)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(str(facts["started_utc"]))).total_seconds()) < 5
    assert json.loads(json.dumps(facts)) == facts


def test_the_commit_of_the_checkout_is_named(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "--short", "HEAD")
    assert provenance(seed=None, command="x")["code"] == commit


def test_changed_code_is_called_dirty(checkout: Path) -> None:
    (checkout / "mlmd" / "__init__.py").write_text("changed = True\n")
    assert code_version().endswith("-dirty")


def test_a_hook_that_points_git_elsewhere_is_not_followed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    commit = _git(checkout, "rev-parse", "--short", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    assert code_version() == commit


def test_a_copy_inside_another_repository_has_its_own_version(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = checkout / "site-packages" / "mlmd" / "__init__.py"
    monkeypatch.setattr(mlmd, "__file__", str(installed))
    assert code_version() == mlmd.__version__


def test_a_repository_without_commits_gives_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _git(tmp_path, "init", "-q")
    monkeypatch.setattr(mlmd, "__file__", str(tmp_path / "mlmd" / "__init__.py"))
    assert code_version() == mlmd.__version__


def test_missing_git_is_no_failure(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance(seed=0, command="x")["code"] == mlmd.__version__


def test_a_missing_library_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert provenance(seed=0, command="x")["torch"] is None


def test_it_is_cheap(checkout: Path) -> None:
    took = []
    for _ in range(10):
        code_version.cache_clear()
        start = time.perf_counter()
        provenance(seed=0, command="x")
        took.append(time.perf_counter() - start)
    # The fastest of ten: other programs may slow the rest.
    assert min(took) < 0.05
