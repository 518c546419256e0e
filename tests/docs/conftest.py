"""Short runs of every kind, whose files the reference pages describe."""

import pytest
from cli.running import FAST, TO_LEARN, process


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Folders of a training with a round of retraining, a simulation and an on-the-fly run, by kind."""
    folder = tmp_path_factory.mktemp("runs")
    retraining = ("retraining.rounds=1", "retraining.max_epochs=1", "retraining.n_replicas=8")
    small = ("n_replicas=2", "logger=none", "engine=eager")
    commands = {
        "train": ("train", *FAST, *TO_LEARN, *retraining, "rollout.n_steps=200"),
        "simulate": ("simulate", f"checkpoint={folder / 'train'}", "n_steps=200", "xyz=true", *small),
        "on_the_fly": (
            "simulate",
            "mode=on_the_fly",
            "n_steps=700",
            "trainer.max_epochs=1",
            "reference_steps=100",
            *small,
        ),
    }
    for name, (script, *arguments) in commands.items():
        running = process(script, *arguments, f"hydra.run.dir={folder / name}", cwd=folder)
        _, stderr = running.communicate(timeout=300)
        assert running.returncode == 0, stderr
    return {name: folder / name for name in commands}
