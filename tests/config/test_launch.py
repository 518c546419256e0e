import errno
from pathlib import Path

import pytest

from mlmd.cli.launch import checkpoint_label, launch, one_line_errors, run_folder, set_environment
from mlmd.errors import ConfigError, DataError, MismatchError


def raised(error: BaseException) -> None:
    with one_line_errors():
        raise error


@pytest.mark.parametrize("kind", [ConfigError, DataError, MismatchError])
def test_an_error_of_the_user_is_one_line_and_exit_code_2(kind, capsys):
    with pytest.raises(SystemExit) as ended:
        raised(kind("dt_fs = 0 must be positive"))
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "error: dt_fs = 0 must be positive\n")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "no space is left on the disk"), (errno.EROFS, "read-only"), (errno.EDQUOT, "quota")],
)
def test_a_disk_that_refuses_is_no_bug_of_ours(number, words, capsys):
    with pytest.raises(SystemExit) as ended:
        raised(OSError(number, "refused", "runs/metrics.csv"))
    assert ended.value.code == 2
    spoken = capsys.readouterr().err
    assert spoken.startswith("error: cannot write runs/metrics.csv: ")
    assert words in spoken
    assert spoken.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("Storage size calculation overflowed with sizes=[4611686018427387904, 2, 3]"),
    ],
)
def test_too_little_memory_is_no_bug_of_ours(error, capsys):
    with pytest.raises(SystemExit) as ended:
        raised(error)
    assert ended.value.code == 2
    spoken = capsys.readouterr().err
    assert spoken.startswith("error: this run needs more memory than there is; lower the number of replicas, steps, ")
    assert spoken.count("\n") == 1


def test_a_long_error_keeps_its_beginning_and_its_end_in_one_line(capsys):
    with pytest.raises(SystemExit):
        raised(ConfigError("model.components = " + 500 * "x" + "\nis unknown: did you mean 'cartesian'?"))
    spoken = capsys.readouterr().err
    assert (spoken.count("\n"), len(spoken)) == (1, 301)
    assert spoken.startswith("error: model.components = xxx")
    assert spoken.endswith("x is unknown: did you mean 'cartesian'?\n")


@pytest.mark.parametrize("error", [ValueError("a bug"), FileNotFoundError(errno.ENOENT, "a bug"), KeyboardInterrupt()])
def test_a_bug_keeps_its_traceback(error):
    with pytest.raises(type(error)):
        raised(error)


def test_the_application_starts_only_with_a_sound_command_line(monkeypatch, tmp_path, capsys):
    started = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py", "system=HCL"])
    with pytest.raises(SystemExit) as ended:
        launch(lambda: started.append(1), config_name="train")
    assert (ended.value.code, started) == (2, [])
    assert capsys.readouterr().err.startswith("error: system=HCL")
    for arguments in (["system=HCl"], ["--multirun", "system=HCl,CO"], ["--cfg", "job", "system=HCL"]):
        # The last one is Hydra's to answer.
        monkeypatch.setattr("sys.argv", ["train.py", *arguments])
        launch(lambda: started.append(1), config_name="train")
    assert started == [1, 1, 1]


def test_a_run_goes_on_in_its_folder():
    assert run_folder(None, "outputs/new") == "outputs/new"
    assert run_folder("outputs/old", "outputs/new") == "outputs/old"


def test_a_simulation_is_filed_under_what_it_simulates(tmp_path):
    model = "{components: molecular, target: velocity, coordinate_frames: 2}"
    (tmp_path / "config.yaml").write_text(f"system: {{name: 'NO'}}\nmodel: {model}\n")
    assert checkpoint_label(str(tmp_path)) == checkpoint_label(str(tmp_path / "best.ckpt")) == "NO/DvR2"
    assert checkpoint_label(str(Path("elsewhere") / "mine.ckpt")) == "mine"
    assert checkpoint_label(None) == "none"


@pytest.mark.parametrize("content", ["", "3", "{", "system: 3", "model: {components: round, target: x}"])
def test_a_damaged_configuration_is_reported_when_the_checkpoint_is_read(content, tmp_path):
    (tmp_path / "config.yaml").write_text(content)
    assert checkpoint_label(str(tmp_path / "mine.ckpt")) == "mine"


def test_threads_are_set_before_the_libraries_load(monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    set_environment(3)
    import os

    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"
    assert os.environ["MPLBACKEND"] == "Agg"
    with pytest.raises(ConfigError, match="threads = 0 must be at least 1"):
        set_environment(0)
