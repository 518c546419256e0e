"""Damaged and rewritten files: refused in one line or read as they were, never otherwise, and no code in them runs."""

import random
import shutil
import signal
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from cli.running import SHORT, TO_LEARN, simulate, train, trained_run

from mlmd.cli.settings import TrainSettings
from mlmd.errors import MlmdError
from mlmd.io.checkpoint_file import load_checkpoint_file
from mlmd.io.load_predictor import load_predictor_and_config
from mlmd.io.run_folder import read_config
from mlmd.io.trajectory_file import TrajectoryFile, read_metadata, read_trajectory
from torture.campaign import Campaign
from torture.damage import Malicious, damaged, rewritten, same
from torture.in_one_process import commands

MAX_LETTERS = 300


@pytest.fixture(scope="session")
def trajectory(tmp_path_factory) -> Path:
    """A finished simulation's frames."""
    trained = trained_run(tmp_path_factory.getbasetemp())
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, trained, *SHORT, "judge=false", "figures=false")
    return folder / "trajectory.h5"


def outcome(read: Callable[[Path], Any], path: Path, true: Any) -> tuple[list[str], str]:
    """What is wrong with how a file was read, and the words of the error if there was one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read(path)
        except MlmdError as error:
            words = str(error)
            faults = ["the error is not one line"] if "\n" in words else []
            return faults + (["the error is long"] if len(words) > MAX_LETTERS + len(str(path)) else []), words
        except Exception as error:
            return ["no error of mlmd"], "".join(traceback.format_exception(error))
    return ([] if same(found, true) else ["silent change"]), ""


def predictor(path: Path) -> dict[str, Any]:
    made, config = load_predictor_and_config(path)
    return {"spec": made.spec.to_dict(), "config": config, "weights": dict(made.state_dict())}


def configuration(path: Path) -> dict[str, Any]:
    found = read_config(path.parent)
    TrainSettings.from_config(found)  # refuses a key that it does not know
    return found


def frames(path: Path) -> dict[str, Any]:
    run, metadata = read_trajectory(path)
    fields = {name: getattr(run, name) for name in ("steps", "positions", "velocities", "kicks")}
    return fields | {"metadata": metadata}


def some_frames(path: Path) -> dict[str, Any]:
    with TrajectoryFile(path) as file:
        run = file.frames(10, 20)
        return {"positions": run.positions, "kicks": run.kicks, "metadata": read_metadata(path)}


def test_damaged_bytes(trained, trajectory, tmp_path, size):
    kinds: list[tuple[str, Path, Callable[[Path], Any]]] = [
        ("best.ckpt", trained / "best.ckpt", predictor),
        ("last.ckpt", trained / "last.ckpt", load_checkpoint_file),
        ("trajectory.h5", trajectory, frames),
        ("some.h5", trajectory, some_frames),
        ("config.yaml", trained / "config.yaml", configuration),
    ]
    each = size(40, 600)
    campaign = Campaign("damaged bytes", each * len(kinds))
    chance = random.Random(1)
    for name, source, read in kinds:
        data, path = source.read_bytes(), tmp_path / name
        path.write_bytes(data)
        true = read(path)
        for _ in range(each):
            changed, words = damaged(data, chance)
            path.write_bytes(changed)
            campaign.note(f"{name}: {words}", *outcome(read, path, true))
    campaign.finish()


def test_rewritten_checkpoints(trained, tmp_path, size):
    """Values of which the predictor is made: nonsense is refused, what is lost is missed."""
    stored = torch.load(trained / "best.ckpt", weights_only=True)
    path, chance = tmp_path / "mine.ckpt", random.Random(2)
    true = predictor(trained / "best.ckpt")
    campaign = Campaign("rewritten checkpoints", size(40, 600))
    for number in range(campaign.n_tries):
        below = chance.choice([("mlmd",), ("mlmd", "spec"), ("state_dict",), ()])
        changed, words = rewritten(stored, chance, below=below)
        if number % 10 == 0:
            changed["mlmd"]["spec"]["system"] = Malicious(tmp_path / "trace")
            words = "a pickled call"
        torch.save(changed, path)
        faults, said = outcome(predictor, path, true)
        # The configuration is judged where objects are made of it.
        if faults == ["silent change"] and same(predictor(path) | {"config": None}, true | {"config": None}):
            faults = []
        if (tmp_path / "trace").exists():
            faults.append("code was run")
        campaign.note(words, faults, said)
    campaign.finish()


def test_rewritten_configurations(trained, tmp_path, size):
    """The file of a run's folder is read only as the run wrote it."""
    stored = yaml.safe_load((trained / "config.yaml").read_text())
    true, chance = read_config(trained), random.Random(3)
    campaign = Campaign("rewritten configurations", size(20, 200))
    for _ in range(campaign.n_tries):
        changed, words = rewritten(stored, chance)
        if "'checksum',)" in words:
            continue  # runs of older versions have none
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
        campaign.note(words, *outcome(configuration, tmp_path / "config.yaml", true))
    campaign.finish()


@pytest.fixture
def interrupted_simulation(trained, tmp_path, monkeypatch) -> Path:
    """The folder of a simulation that was interrupted after its second save."""
    from mlmd.io.trajectory_writer import TrajectoryWriter

    commit, left = TrajectoryWriter.commit, [2]

    def call(*arguments: Any) -> None:
        commit(*arguments)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patched:
        patched.setattr(TrajectoryWriter, "commit", call)
        with pytest.raises(SystemExit):
            simulate(folder, trained, *SHORT, "judge=false", "figures=false")
    return folder


@pytest.fixture
def interrupted_training(tmp_path, monkeypatch) -> Path:
    """The folder of a training that was interrupted in its second epoch."""
    from mlmd.training import PredictorModule

    step, left = PredictorModule.training_step, [30]

    def call(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return step(*arguments)

    handler = signal.getsignal(signal.SIGINT)
    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patched:
        patched.setattr(PredictorModule, "training_step", call)
        with pytest.raises(SystemExit):
            train(folder, *TO_LEARN, "figures=false")
    signal.signal(signal.SIGINT, handler)  # Lightning ignores it from the first on
    return folder


def test_damaged_restart_files(interrupted_simulation, trajectory, tmp_path, monkeypatch, size):
    """A resumed simulation is the uninterrupted one, or is refused."""
    campaign = Campaign("damaged restart files", size(8, 200))
    chance, true = random.Random(4), frames(trajectory)
    unfinished = Path("trajectory.h5.unfinished")
    monkeypatch.chdir(tmp_path)
    with commands(monkeypatch) as answer:
        for number in range(campaign.n_tries):
            run = tmp_path / f"run_{number}"
            shutil.copytree(interrupted_simulation, run)
            restart = run / unfinished / "restart.pt"
            if number and number % 2:
                changed, words = rewritten(torch.load(restart, weights_only=True), chance)
                torch.save(changed, restart)
            elif number:
                path = chance.choice([restart, run / unfinished / "frames.h5", run / "config.yaml"])
                data, words = damaged(path.read_bytes(), chance)
                path.write_bytes(data)
                words = f"{path.name}: {words}"
            else:
                words = "nothing"
            answered = answer("simulate", [f"resume={run}"])
            faults = answered.faults()
            if answered.ended == "done":
                resumed = frames(run / "trajectory.h5")
                names = ("steps", "positions", "velocities", "kicks")
                counted = {"counts", "diverged_at"}
                same_frames = all(same(resumed[name], true[name]) for name in names)
                if not same_frames or any(resumed["metadata"][name] != true["metadata"][name] for name in counted):
                    faults.append("silent change")
            elif not number:
                faults.append("an undamaged run was not resumed")
            campaign.note(words, faults, answered.words)
            shutil.rmtree(run)
    campaign.finish()


def test_damaged_trainings(interrupted_training, tmp_path, monkeypatch, size):
    """A training is not resumed from a checkpoint that is not the one it wrote."""
    campaign = Campaign("damaged trainings", size(6, 200))
    chance = random.Random(5)
    monkeypatch.chdir(tmp_path)
    with commands(monkeypatch) as answer:
        for number in range(campaign.n_tries):
            run = tmp_path / f"run_{number}"
            shutil.copytree(interrupted_training, run)
            last, words = run / "last.ckpt", "nothing"
            if number and number % 2:
                changed, words = rewritten(torch.load(last, weights_only=True), chance)
                torch.save(changed, last)
            elif number:
                data, words = damaged(last.read_bytes(), chance)
                last.write_bytes(data)
            answered = answer("train", [f"resume={run}"])
            faults = answered.faults()
            if answered.ended != "refused" and number and not is_sound(last, interrupted_training / "last.ckpt"):
                faults.append("silent change")
            if answered.ended == "refused" and not number:
                faults.append("an undamaged run was not resumed")
            campaign.note(words, faults, answered.words)
            shutil.rmtree(run)
    campaign.finish()


def is_sound(path: Path, original: Path) -> bool:
    """Whether a checkpoint holds what the original does, but for its digest; the damage hit what nobody reads."""
    try:
        stored, true = (torch.load(each, weights_only=True) for each in (path, original))
    except Exception:
        return False
    return same(stored | {"content_sha256": None}, true | {"content_sha256": None})
