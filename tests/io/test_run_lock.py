import subprocess
import sys
from pathlib import Path

import pytest

from mlmd.errors import DataError
from mlmd.io.run_lock import hold, is_held, require_free

HOLDER = """
import sys
from pathlib import Path
from mlmd.io.run_lock import hold
owner = type("Owner", (), {})()
hold(Path(sys.argv[1]), owner=owner)
print("held", flush=True)
sys.stdin.read()
"""


class Owner:
    pass


@pytest.fixture
def run(tmp_path) -> Path:
    (tmp_path / "provenance.json").write_text("{}")
    return tmp_path


def test_a_folder_is_held_until_its_process_dies_even_when_killed(run):
    command = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert is_held(run)
        for refused in (require_free, lambda folder: hold(folder, owner=Owner())):
            with pytest.raises(DataError, match="is being written by another process; wait until that has ended"):
                refused(run)
        process.kill()
        process.wait()
    assert not is_held(run)
    require_free(run)


def test_this_process_may_take_a_folder_again(run):
    owner = Owner()
    hold(run, owner=owner)
    hold(run, owner=Owner())
    assert not is_held(run)


def test_where_no_run_has_begun_nothing_is_held(tmp_path):
    hold(tmp_path, owner=Owner())
    assert not is_held(tmp_path)
    require_free(tmp_path / "gone")
