"""What describes the project in several places says the same in all of them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

import mlmd

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere():
    assert {PROJECT["version"], CITATION["version"]} == {mlmd.__version__}


def test_every_citation_has_what_the_format_requires():
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    for entry in (CITATION["preferred-citation"], *CITATION["references"]):
        assert {"type", "title", "authors", "year"} <= entry.keys()
        for author in entry["authors"]:
            assert author.keys() in ({"name"}, {"family-names", "given-names"})


def test_the_workflow_runs_the_checks_on_every_supported_python():
    (job,) = yaml.safe_load((ROOT / ".github/workflows/checks.yml").read_text(encoding="utf-8"))["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    matrix = job["strategy"]["matrix"]
    named = [re.fullmatch(r"Programming Language :: Python :: (\d\.\d+)", line) for line in PROJECT["classifiers"]]
    assert matrix["python"] == [found[1] for found in named if found]
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"
    tried = {*matrix["dependencies"], *(case["dependencies"] for case in matrix["include"])}
    assert tried == {"newest", "lowest"}


def test_every_dependency_has_a_lowest_version_to_try():
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci/lowest.py"], capture_output=True, text=True, check=True
    ).stdout
    pinned = dict(line.split("==") for line in printed.splitlines())
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["qm"]]
    assert len(pinned) == len(wanted)
    for requirement in wanted:
        name = re.match(r"[\w.-]+", requirement)[0]
        assert requirement.startswith(f"{name}>={pinned[name]}")


def test_the_guide_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w|[./-])+/(?:\w|[./-])*)`", text)
    assert len(named) > 20
    missing = [path for path in named if not (ROOT / path).exists() and not [*(ROOT / "mlmd").rglob(path.rstrip("/"))]]
    assert missing == []
