"""The page of metrics has every name that runs write, and no other."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/metrics.md"
RARE = {
    "rollout/<name>/mode_kinetic_error_worst",  # molecules of more than two atoms
    "cost/to_99.9_percent_s",
    "cost/to_99.99_percent_s",
    "cost/break_even_step",
    "learning/takeover_step",
    "retraining/<k>/<quantity>",
}
"""Names that the short runs below may lack."""


def documented():
    return set(re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.fixture(scope="module")
def written(runs):
    """Names in metrics.json of a training with a round of retraining, a simulation and an on-the-fly run."""
    return {name for folder in runs.values() for name in json.loads((folder / "metrics.json").read_text())}


def general(name):
    """A name as the page has it."""
    name = re.sub(r"^rollout/[^/]+/", "rollout/<name>/", name)
    name = re.sub(r"^cost/rollout_(?!reference)\w+_s$", "cost/rollout_<name>_s", name)
    name = re.sub(r"^retraining/\d+/kept_share$", "retraining/<k>/kept_share", name)
    return re.sub(r"^retraining/\d+/.+$", "retraining/<k>/<quantity>", name)


def test_every_written_name_is_on_the_page(written):
    assert sorted({general(name) for name in written} - documented()) == []


def test_every_name_on_the_page_is_written(written):
    assert sorted(documented() - {general(name) for name in written} - RARE) == []
