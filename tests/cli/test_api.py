"""`mlmd.train` and `mlmd.simulate` do what the commands do."""

import subprocess
import sys

import pytest
from hydra.core.hydra_config import HydraConfig

import mlmd
from cli.running import FAST, SHORT, TO_LEARN, assert_same_weights, judged
from mlmd.errors import ConfigError, DataError
from mlmd.training import PredictorModule


def test_training_gives_the_numbers_of_the_command(trained, tmp_path):
    metrics = mlmd.train(*FAST, *TO_LEARN, folder=tmp_path / "run")
    assert judged(tmp_path / "run") == judged(trained)
    assert metrics.keys() >= judged(trained).keys()
    assert_same_weights(tmp_path / "run" / "last.ckpt", trained / "last.ckpt")


def test_a_simulation_gives_the_numbers_of_the_command(trained, cli, tmp_path):
    assert cli("simulate", f"checkpoint={trained}", *SHORT, "injection=every_100", "hydra.run.dir=command").code == 0
    mlmd.simulate("injection=every_100", *SHORT, checkpoint=trained, folder="here")
    assert judged(tmp_path / "here") == judged(tmp_path / "command")
    trajectory, metadata = mlmd.read_trajectory(tmp_path / "here" / "trajectory.h5")
    assert trajectory.positions.shape == (3, 132, 2, 3)
    assert metadata["dt_fs"] == mlmd.load_predictor(trained).spec.dt_fs


def test_an_interrupted_training_is_resumed(trained, tmp_path, interrupted_after, no_figures):
    interrupted_after(PredictorModule, "training_step", 30)  # in the second epoch
    with pytest.raises(SystemExit):
        mlmd.train(*FAST, *TO_LEARN, folder=tmp_path / "run")
    mlmd.train(folder=tmp_path / "run", resume=True)
    assert judged(tmp_path / "run") == judged(trained)


def test_a_folder_may_have_any_name(trained, tmp_path):
    folder = tmp_path / "it's a run, x=1 ${y}"
    checkpoint = tmp_path / "a=b, c's"
    checkpoint.symlink_to(trained)
    mlmd.simulate("judge=false", *SHORT, checkpoint=checkpoint, folder=folder)
    assert (folder / "trajectory.h5").is_file()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("model=DuR",), "model=DuR: there is no such choice of model: did you mean"),
        (("trainer.max_epoch=3",), "trainer.max_epoch: there is no such key: did you mean 'trainer.max_epochs'"),
        (("trainer.max_epochs=0",), "trainer.max_epochs = 0 must be at least 1"),
        (("seed=1,2",), "seed=1,2 gives several values: add --multirun"),
    ],
)
def test_a_wrong_setting_is_an_error_of_one_line(settings, words, tmp_path):
    with pytest.raises(ConfigError, match=words) as error:
        mlmd.train(*settings, folder=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_nothing_is_resumed_from_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"holds no config\.yaml"):
        mlmd.train(folder=tmp_path, resume=True)


def test_a_run_takes_no_settings_when_it_is_resumed(trained):
    with pytest.raises(ConfigError, match="takes its configuration from"):
        mlmd.train("seed=2", folder=trained, resume=True)


def test_hydra_is_left_as_it_was(trained, tmp_path):
    before = HydraConfig.instance().cfg
    mlmd.simulate("judge=false", *SHORT, checkpoint=trained, folder=tmp_path / "run")
    with pytest.raises(ConfigError):
        mlmd.simulate("n_step=3", checkpoint=trained, folder=tmp_path / "run")
    assert HydraConfig.instance().cfg is before


def test_the_names_are_listed_and_no_others_are_found():
    assert set(mlmd.__all__) <= set(dir(mlmd))
    with pytest.raises(AttributeError, match="module 'mlmd' has no attribute 'trian'"):
        _ = mlmd.trian


@pytest.mark.parametrize("name", mlmd.__all__)
def test_a_name_is_imported_when_it_is_used(name):
    code = f"import sys, mlmd; assert 'torch' not in sys.modules; mlmd.{name}; from mlmd import {name}; {name}.__doc__"
    subprocess.run([sys.executable, "-c", code], check=True)
