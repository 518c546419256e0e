"""Every test that the page of promises names exists."""

import re

import pytest
from hooks import ROOT

PAGE = (ROOT / "docs/reference/promises.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


def test_the_page_names_tests():
    assert len(NAMED) > 15


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name):
    assert (ROOT / name).exists()


def test_every_promise_has_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| ---"))]
    assert all("`tests/" in row for row in rows)
