"""A closed pipe loses no run, a refused command leaves no folder, and two commands never share one."""

import pytest

from cli.running import FAST, TO_LEARN, process
from mlmd.cli.output import kept_if_used
from mlmd.errors import ConfigError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_closed_pipe_does_not_lose_the_training(tmp_path):
    with process("train", *FAST, *TO_LEARN, "figures=false", "hydra.run.dir=run", cwd=tmp_path) as training:
        assert training.stdout.readline().startswith("mlmd: ")
        training.stdout.close()
        assert (training.wait(), training.stderr.read()) == (0, "")
    assert (tmp_path / "run" / "report.html").is_file()
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_two_runs_that_start_in_one_second_have_two_folders(tmp_path):
    runs = [process("train", *FAST, "figures=false", cwd=tmp_path) for _ in range(2)]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [("", 0)] * 2
    assert len(list(tmp_path.rglob("metrics.json"))) == 2


@pytest.mark.parametrize(
    "refused",
    [
        ("optimizer.learning_rate=-1",),
        ("data=file", "data.trajectories.path=none.xyz"),
        ("rollout.start_step=0",),
    ],
)
def test_a_refused_command_leaves_nothing(tmp_path, refused):
    run = process("train", *refused, cwd=tmp_path)
    assert run.communicate()[1].startswith("error: ")
    assert run.returncode == 2
    assert list(tmp_path.iterdir()) == []


def refuse(folder):
    with kept_if_used(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text("")
        raise ConfigError("no")


def test_what_was_there_before_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "mine").write_text("")
    with pytest.raises(ConfigError):
        refuse(tmp_path / "a" / "b" / "c")
    assert names(tmp_path / "a") == ["mine"]
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "last.ckpt").write_text("")
    with pytest.raises(ConfigError):
        refuse(tmp_path / "used")
    assert names(tmp_path / "used") == ["config.yaml", "last.ckpt"]
