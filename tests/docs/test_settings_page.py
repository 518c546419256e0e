"""The page of settings has every key that a command line can change, each with its meaning."""

import re

import pytest

pytest.importorskip("griffe", reason="pip install -e '.[docs]'")

from hooks import ROOT, load_hook
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from mlmd.cli.program import CONF

PAGE = ROOT / "docs/reference/settings.md"
WAYS = {"train": (), "simulate": (), "simulate on the fly": ("mode=on_the_fly",)}


@pytest.fixture(scope="module")
def rows():
    """Meaning of each key."""
    text = load_hook("settings").on_page_markdown(PAGE.read_text(encoding="utf-8"))
    found = re.findall(r"^\| `([\w.]+)` \|.*\| (.*) \|$", text, flags=re.MULTILINE)
    return dict(found)


def keys(node, path=""):
    """Keys of plain values; the arguments of a calculator of ASE are its own."""
    if not isinstance(node, dict):
        return {path}
    if node.get("_target_") == "builtins.dict":
        return set()
    below = {key: value for key, value in node.items() if not str(key).startswith("_")}
    return set().union(*(keys(value, f"{path}.{key}".lstrip(".")) for key, value in below.items()))


def choices():
    groups = sorted(
        path for path in CONF.iterdir() if path.is_dir() and path.name not in ("hydra", "sweep", "experiment")
    )
    return [(group.name, path.stem) for group in groups for path in sorted(group.glob("*.yaml"))]


def composed(command, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return keys(OmegaConf.to_container(compose(command.split()[0], overrides=[*WAYS[command], *overrides])))


def on_page(key):
    """A key as the page has it: injections of rollouts are described once."""
    return re.sub(r"^rollout\.injections\.\w+", "injection", key)


@pytest.mark.parametrize("command", WAYS)
def test_every_key_of_a_command_is_on_the_page(rows, command):
    assert sorted(on_page(key) for key in composed(command) if on_page(key) not in rows) == []


@pytest.mark.parametrize(("group", "choice"), choices())
def test_every_key_of_a_choice_is_on_the_page(rows, group, choice):
    command = "simulate" if group in ("mode", "injection") else "train"
    assert sorted(on_page(key) for key in composed(command, f"{group}={choice}") if on_page(key) not in rows) == []


def test_every_key_has_a_meaning(rows):
    assert len(rows) > 100
    assert [key for key, meaning in rows.items() if not re.search(r"[a-z]{2}", meaning)] == []
    foreign = [key for key, meaning in rows.items() if meaning.startswith("argument of")]
    assert [key for key in foreign if not re.match(r"callbacks|logger|hydra", key)] == []
