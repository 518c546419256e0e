"""Every combination of choices composes.

That is shown in two steps. Every three choices of any three groups are composed together; and no file of one group
speaks of another, so that what composes in threes composes in any number.
"""

import itertools
import math
import re

import hydra
import pytest
from omegaconf import OmegaConf

from mlmd.cli.job import resolved
from mlmd.cli.program import CONF

GROUPS = ("hamiltonian", "regime", "memory", "model", "data", "loss", "optimizer", "trainer", "rollout", "selection")
CHOICES = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in (*GROUPS, "logger")}
# One level of theory stands for all: they differ in values alone, and what is made of each is tested with the choices.
CHOICES["hamiltonian"] = ["gfn2", "harmonic", "morse"]
OVERLAY_FILES = sorted((CONF / "experiment").glob("*.yaml"))
PROGRAMS = {
    path.stem: "simulate" if "python simulate.py" in path.read_text().partition("defaults:")[0] else "train"
    for path in OVERLAY_FILES
}
"""The program that an overlay names at its top, and belongs to."""
OVERLAYS = [None, *(name for name, program in PROGRAMS.items() if program == "train")]
FILES = sorted(path for path in CONF.glob("*/*.yaml") if path.parent.name not in ("experiment", "sweep", "mode"))
"""Those of one group each; overlays, ways to sweep and modes of simulate.py speak of the whole."""


def covering_rows() -> list[tuple[str | None, ...]]:
    """Rows of one choice a group that between them hold every triple of choices, found greedily."""
    columns = [*CHOICES.values(), OVERLAYS]
    wanted = {
        (triple, values)
        for triple in itertools.combinations(range(len(columns)), 3)
        for values in itertools.product(*(columns[column] for column in triple))
    }
    rows = []
    while wanted:
        fixed = dict(zip(*min(wanted, key=str), strict=True))
        for column, choices in enumerate(columns):
            if column not in fixed:
                fixed[column] = max(choices, key=lambda choice: _held(wanted, fixed | {column: choice}))
        rows.append(tuple(fixed[column] for column in range(len(columns))))
        wanted = {cell for cell in wanted if not _holds(fixed, cell)}
    return rows


def _holds(fixed, cell) -> bool:
    """Whether a row, as far as it is fixed, agrees with a triple of columns and its values."""
    return all(fixed.get(column, value) == value for column, value in zip(*cell, strict=True))


def _held(wanted, fixed) -> int:
    return sum(_holds(fixed, cell) for cell in wanted)


def test_every_three_choices_compose():
    rows = covering_rows()
    n_cells = math.prod(sorted(map(len, [*CHOICES.values(), OVERLAYS]))[-3:])
    assert len(rows) < 1.5 * n_cells, "no fewer rows than these can hold every triple"
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        for *row, overlay in rows:
            chosen = dict(zip(CHOICES, row, strict=True))
            overrides = [f"{group}={choice}" for group, choice in chosen.items()]
            overrides += [f"experiment={overlay}"] if overlay else []
            values = resolved(hydra.compose("train", overrides=overrides))
            assert set(values) >= set(CHOICES)
            for group in () if overlay else chosen:
                says = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{chosen[group]}.yaml"), resolve=False)
                for key in set(says) - {"defaults"}:
                    assert values[group][key] == says[key] or "${" in str(says[key]), (group, key, overrides)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_sets_keys_of_its_own_group_only(path):
    text = path.read_text()
    assert "@package" not in text, "values would land in another group"
    for entry in OmegaConf.to_container(OmegaConf.load(path)).get("defaults", []):
        if isinstance(entry, dict):  # another group's file, placed within this one
            assert re.fullmatch(r"/\w+@\w+\.\w+", next(iter(entry)))
        else:
            assert entry == "_self_" or path.with_name(f"{entry}.yaml").is_file()


@pytest.mark.parametrize("overlay", PROGRAMS)
def test_an_overlay_changes_known_keys_only(overlay):
    """Beside what it chooses, and the schedules it adds under names of its own."""
    entries = OmegaConf.to_container(OmegaConf.load(CONF / "experiment" / f"{overlay}.yaml"), resolve=False)
    chosen = [
        f"{key.removeprefix('override /')}={value}"
        for entry in entries.get("defaults", [])
        for key, value in entry.items()
    ]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        plain, laid_over = (hydra.compose(PROGRAMS[overlay], overrides=o) for o in (chosen, [f"experiment={overlay}"]))

    def shape(node):
        return {key: shape(value) for key, value in node.items()} if isinstance(node, dict) else None

    shapes = [shape(OmegaConf.to_container(config, resolve=False)) for config in (plain, laid_over)]
    for config in shapes:
        config.get("rollout", {}).pop("injections", None)
    assert shapes[0] == shapes[1]
    assert laid_over != plain
