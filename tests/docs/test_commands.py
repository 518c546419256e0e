"""Every command of the pages is one that mlmd takes."""

import re
import shlex
from pathlib import Path

import pytest

from mlmd.cli.launch import arranged
from mlmd.cli.overrides import check_overrides

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAM = re.compile(r"python (train|simulate)\.py |mlmd (train|simulate) ")


def commands():
    """Page, name of the command and its arguments, of each command in a block or between back quotes."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [
            line
            for block in re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
            for line in block.splitlines()
        ]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for line in [*lines, *(words.replace("\n", " ") for words in re.findall(r"`([^`]+)`", prose))]:
            if (program := PROGRAM.match(line)) and "..." not in line and "--help" not in line:
                arguments = shlex.split(line[program.end() :], comments=True)
                if not any(re.match("resume=|checkpoint=$", argument) for argument in arguments):
                    yield page.relative_to(ROOT).as_posix(), program[1] or program[2], arguments


COMMANDS = list(commands())


def test_there_are_commands():
    assert len(COMMANDS) > 25


@pytest.mark.parametrize(("page", "name", "arguments"), COMMANDS, ids=lambda value: str(value)[:60])
def test_the_command_is_taken(page, name, arguments, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = arranged([re.sub(r"<\w+>", "name", argument) for argument in arguments])
    multirun = "--multirun" in arguments
    check_overrides([argument for argument in arguments if argument != "--multirun"], name, multirun=multirun)
