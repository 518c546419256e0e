"""The page "Bring your own molecule": every command and script on it runs, in a fast form, from structure to figure."""

import re
import shlex
import shutil

import pytest
from cli.running import ROOT, compose

from mlmd.cli.program import CONF

FOLDER = "experiments/own_molecule"
PAGE = (ROOT / FOLDER / "README.md").read_text(encoding="utf-8")

TRAIN = (
    "experiment=[molecule,fast]",
    "data.trajectories.n_train=16",
    "data.trajectories.n_val=4",
    "data.trajectories.n_test=4",
    "data.trajectories.n_steps=80",
    "data.batches.batches_per_epoch=40",
    "trainer.max_epochs=1",
    "rollout.n_steps=300",
    "rollout.val_n_steps=60",
    "rollout.n_replicas=2",
    "engine=eager",
    "logger=csv",
    "figures=false",
)
SIMULATE = ("n_steps=400", "n_replicas=2", "engine=eager")
ON_THE_FLY = (
    "n_steps=400",
    "n_replicas=1",
    "trainer.max_epochs=1",
    "data.batches.batches_per_epoch=20",
    "data.batches.batch_size=16",
    "on_the_fly.first_steps=200",
    "on_the_fly.held_out_steps=60",
    "on_the_fly.validation_steps=20",
    "on_the_fly.fallback_steps=100",
    "on_the_fly.max_rounds=1",
    "judge_frames=4",
    "engine=eager",
    "figures=false",
)


def blocks() -> list[tuple[str, str]]:
    """Fenced blocks of the page in their order, as (language, text)."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The words of every command of a block."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def fast(words: list[str]) -> list[str]:
    """A command of the page with less to do: what it is given here takes the place of what it says itself."""
    lengths = ON_THE_FLY if "mode=on_the_fly" in words else TRAIN if words[1] == "train.py" else SIMULATE
    shorter = {length.split("=")[0] for length in lengths}
    return [word for word in words if word.split("=")[0] not in shorter] + list(lengths)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:ase", "ignore::DeprecationWarning:tblite")
def test_the_page_runs_from_the_structure_to_the_figure(cli, tmp_path):
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER)
    figure = tmp_path / FOLDER / "dynamics.png"
    figure.unlink()
    scripts = []
    for language, text in blocks():
        if language == "python":
            quick = re.sub(r"run\((3000|5000)\)", lambda steps: f"run({int(steps[1]) // 10})", text)
            exec(compile(quick, PAGE[:30], "exec"), {})  # as a reader would
            continue
        for words in commands(text):
            if words[0] == "cp":
                shutil.copy(tmp_path / words[1], tmp_path / words[2])
                continue
            assert words[0] == "python"
            script = words[1].removesuffix(".py")
            scripts.append(script)
            ended = cli(script, *fast(words)[2:])
            assert ended.code == 0, f"{shlex.join(words)}\n{ended.err}"
            assert "Traceback" not in ended.err
    assert scripts == ["train", "simulate", "simulate", "train", "train"]
    assert figure.stat().st_size > 10_000
    assert f"]({figure.name})" in PAGE


def test_the_methods_it_names_are_there():
    (named,) = re.findall(r"`hamiltonian=` takes (.*?),? here", PAGE, flags=re.DOTALL)
    methods = re.findall(r"`(\w+)`", named)
    assert set(methods) == {"gfn1", "gfn2", "hf", "b3lyp", "pbe"}
    assert all((CONF / "hamiltonian" / f"{method}.yaml").is_file() for method in methods)


@pytest.mark.parametrize("choice", ["model=3uR0 model.frame=molecule", "data.trajectories.n_train=1024"])
def test_the_choices_it_offers_can_be_made(choice):
    assert choice in " ".join(PAGE.split())
    compose("train", "experiment=molecule", *choice.split())
