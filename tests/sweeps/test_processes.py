from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from hydra_plugins.mlmd_sweeps.composing import quoted
from hydra_plugins.mlmd_sweeps.grid import reason
from hydra_plugins.mlmd_sweeps.processes import _last_words
from mlmd.errors import ConfigError

BEFORE = "error: of an earlier try\n"
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: no such axis\n\n'


@pytest.mark.parametrize(
    ("output", "code", "words"),
    [
        ("data: train 64\nerror: seed = -5 is bad\nwandb: bye\n", 2, "seed = -5 is bad"),
        (TRACEBACK, 1, "ValueError: no such axis"),
        ("data: train 64\n", -9, "killed by SIGKILL"),
        ("", 3, "exit code 3 without any output"),
    ],
)
def test_the_cause_of_a_failure_is_the_last_line_of_the_output(output, code, words, tmp_path):
    console = tmp_path / "console.log"
    console.write_text(BEFORE + output)
    assert _last_words(console, len(BEFORE), code) == words


@pytest.mark.parametrize("path", ["outputs/HCl/+1", "it's here, a=b", "back\\slash [1] {2} ${x}", "'", "\\'"])
def test_any_path_survives_the_command_line(path):
    (override,) = OverridesParser.create().parse_overrides([f"hydra.run.dir={quoted(Path(path))}"])
    assert override.value() == path


def test_an_error_is_one_line():
    assert reason(ConfigError("seed = -1")) == "seed = -1"
    assert reason(ValueError("\ntoo long\nand more")) == "ValueError: too long"
    assert reason(MemoryError()) == "MemoryError"
