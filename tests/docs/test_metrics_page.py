"""The page of metrics has every name that runs write, and no other."""

import json
import re
from pathlib import Path

import pytest
from cli.running import FAST, TO_LEARN, process

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
def written(tmp_path_factory):
    """Names in metrics.json of a training with a round of retraining, a simulation and an on-the-fly run."""
    folder = tmp_path_factory.mktemp("metrics")
    retraining = ("retraining.rounds=1", "retraining.max_epochs=1", "retraining.n_replicas=8")
    small = ("n_replicas=2", "logger=none", "figures=false", "engine=eager")
    runs = {
        "train": ("train", *FAST, *TO_LEARN, *retraining, "rollout.n_steps=200", "figures=false"),
        "simulate": ("simulate", f"checkpoint={folder / 'train'}", "n_steps=200", *small),
        "on_the_fly": ("simulate", "mode=on_the_fly", "n_steps=700", "trainer.max_epochs=1", *small),
    }
    names = set()
    for name, (script, *arguments) in runs.items():
        running = process(script, *arguments, f"hydra.run.dir={folder / name}", cwd=folder)
        _, stderr = running.communicate(timeout=300)
        assert running.returncode == 0, stderr
        names |= set(json.loads((folder / name / "metrics.json").read_text()))
    return names


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
