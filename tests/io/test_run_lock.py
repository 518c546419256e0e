"""One process at a time writes into the folder of a run, also into a new one and after a kill."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlmd.errors import DataError
from mlmd.io.run_lock import LOCK_FILE, hold, is_held

HOLDER = """
import sys
from pathlib import Path
from mlmd.errors import DataError
from mlmd.io.run_lock import hold
owner = type("Owner", (), {})()
print("ready", flush=True)
sys.stdin.readline()
try:
    hold(Path(sys.argv[1]), owner=owner)
    print("held", flush=True)
except DataError:
    print("refused", flush=True)
sys.stdin.read()
"""


class Owner:
    pass


def holder(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def let_go(process: subprocess.Popen) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_folder_is_held_until_its_process_dies_even_when_killed(tmp_path):
    with holder(tmp_path) as process:
        let_go(process)
        assert process.stdout.readline() == "held\n"
        assert is_held(tmp_path)
        with pytest.raises(DataError, match="is being written by another process; wait until that has ended"):
            hold(tmp_path, owner=Owner())
        process.kill()
        process.wait()
    assert not is_held(tmp_path)
    hold(tmp_path, owner=Owner())


def test_of_processes_that_begin_at_once_one_holds_a_new_folder(tmp_path):
    for attempt in range(5):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        processes = [holder(folder) for _ in range(4)]
        for process in processes:
            let_go(process)
        assert sorted(process.stdout.readline() for process in processes) == ["held\n", *["refused\n"] * 3]
        for process in processes:
            process.communicate()


def test_this_process_may_take_a_folder_again(tmp_path):
    owner = Owner()
    hold(tmp_path, owner=owner)
    hold(tmp_path, owner=Owner())
    assert not is_held(tmp_path)


def test_where_no_run_has_begun_nothing_is_held(tmp_path):
    assert not is_held(tmp_path)
    assert not is_held(tmp_path / "gone")
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path):
    (tmp_path / LOCK_FILE).mkdir()
    with pytest.raises(DataError, match=r"cannot write .*\.lock: it is a folder"):
        hold(tmp_path, owner=Owner())
