"""Every message on the troubleshooting page is one that the code raises, whole and word for word."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/howto/troubleshooting.md"
BLANK = "<>"
"""Stands for a value in a message."""


def template(node):
    """The text of a string of the code, each formatted value replaced by a blank; None if it is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(BLANK if isinstance(part, ast.FormattedValue) else template(part) for part in node.values)
    return None


def of_code():
    files = [*(ROOT / "mlmd").rglob("*.py"), *(ROOT / "hydra_plugins").rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    return {text for text in map(template, nodes) if text}


def on_page(text):
    return re.findall(r"^```text\n(.*?)\n```$", text, flags=re.MULTILINE | re.DOTALL)


def missing(messages, templates):
    """Messages that are no template; words in angle brackets may be a value, or stand in the code as they are."""
    return [each for each in messages if each not in templates and re.sub(r"<[^<>]+>", BLANK, each) not in templates]


def test_every_message_is_in_the_code():
    messages = on_page(PAGE.read_text(encoding="utf-8"))
    assert len(messages) > 30
    assert len(set(messages)) == len(messages)
    assert missing(messages, of_code()) == []


@pytest.mark.parametrize(
    ("message", "is_missing"),
    [
        ("<path> is damaged: it is not valid YAML", False),
        ("<path> is damaged: it is not valid", True),
        ("<path> is damaged: it is valid YAML", True),
        ("runs/HCl is damaged: it is not valid YAML", True),
    ],
)
def test_a_message_that_has_changed_is_found(message, is_missing):
    assert missing([message], of_code()) == [message] * is_missing


def test_every_message_has_an_explanation():
    parts = re.split(r"^```text\n.*?\n```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert [part for part in parts[1:] if len(part.split("\n##")[0].split()) < 3] == []
