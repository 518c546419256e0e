"""The page of files names every file that runs write, and what is in them."""

import csv
import json
import re

import h5py
import pytest
import torch
from hooks import ROOT, load_hook

PAGE = (ROOT / "docs/reference/files.md").read_text(encoding="utf-8")
OF_RUN = {"train": "train.py", "simulate": "simulate.py", "on_the_fly": "simulate.py mode=on_the_fly"}


def first_column(heading):
    """The names in code in the first column of the table below a heading."""
    section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    cells = re.findall(r"^\|([^|]*)\|", section, flags=re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("kind", OF_RUN)
def test_the_files_of_a_run_are_those_of_the_page(runs, kind):
    paths = [path.relative_to(runs[kind]).as_posix() for path in runs[kind].rglob("*") if path.is_file()]
    files = {re.sub(r"^figures/.+\.png", "figures/*.png", re.sub(r"_0001\.xyz", "_0000.xyz", path)) for path in paths}
    named = first_column("### Files of every run") | first_column(f"### Files of `{OF_RUN[kind]}`")
    assert files == named - {"wandb/"}


@pytest.mark.parametrize("name", ["trajectory.h5", "reference.h5"])
def test_the_layout_of_a_trajectory_is_that_of_the_page(runs, name):
    with h5py.File(runs["simulate"] / name) as file:
        assert set(file) | set(file.attrs) == first_column("## Trajectory")
        for dataset in file.values():
            assert "unit" in dataset.attrs
        assert file["positions"].shape == file["velocities"].shape == file["kicks"].shape == (200, 2, 2, 3)
        assert {"system", "symbols", "masses_u", "dt_fs", "seed", "units", "counts", "provenance"} <= set(
            json.loads(file.attrs["metadata"])
        )


def test_the_entries_of_a_checkpoint_are_those_of_the_page(runs):
    checkpoint = torch.load(runs["train"] / "last.ckpt", weights_only=True)
    named = first_column("## Checkpoint")
    assert {name for name in named if "." in name} == {f"mlmd.{name}" for name in checkpoint["mlmd"]}
    assert {name for name in named if "." not in name} <= set(checkpoint)


def test_the_columns_of_replicas_are_those_of_the_page(runs):
    with (runs["train"] / "replicas.csv").open(encoding="utf-8", newline="") as file:
        assert set(next(csv.reader(file))) == first_column("## Curves and replicas")


def test_the_axes_of_the_curves_are_those_of_the_page(runs):
    curves = json.loads((runs["train"] / "curves.json").read_text(encoding="utf-8"))
    for axis in (name for name in curves if name not in ("format_version", "run", "period_fs")):
        assert f"`{axis}`" in PAGE, axis


def test_the_versions_are_those_of_the_files(runs):
    table = load_hook("versions").versions_table()
    checkpoint = torch.load(runs["train"] / "last.ckpt", weights_only=True)
    assert f"| checkpoint | {checkpoint['mlmd']['format_version']} |" in table
    with h5py.File(runs["simulate"] / "trajectory.h5") as file:
        assert f"| trajectory | {file.attrs['format_version']} |" in table
