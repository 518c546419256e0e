"""A thousand override lines: each is answered within 3 s, by one line or by the run, and nothing is left outside."""

import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from torture.campaign import Campaign
from torture.in_one_process import commands
from torture.override_lines import MARK, OF_OTHER_PACKAGES, Line, lines

CHOSEN_FOLDERS = ("data.cache",)
"""Keys that choose a folder to write into."""


def outside_outputs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "outputs" not in path.relative_to(folder).parts]


def test_override_lines(trained, tmp_path, monkeypatch, size):
    campaign = Campaign("override lines", size(20, 1000))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    with commands(monkeypatch) as answer:

        @seed(12)
        @settings(
            max_examples=campaign.n_tries,
            database=None,
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(lines())
        def try_one(line: Line) -> None:
            folder = tmp_path / f"{campaign.n_done:04d}"
            folder.mkdir()
            monkeypatch.chdir(folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answered = answer(line.command, line.arguments(str(trained)))
            found = answered.faults()
            if line.is_nonsense and answered.ended in ("at work", "done"):
                found.append(f"nonsense was taken ({answered.ended})")
            # What is typed for another package is the user's own code.
            if not line.key.startswith(OF_OTHER_PACKAGES) and list(folder.rglob(MARK)):
                found.append("code was run")
            if line.key not in CHOSEN_FOLDERS and (left := outside_outputs(folder)):
                found.append(f"left outside outputs: {left[0].relative_to(folder)}")
            campaign.note(f"{line.command} {' '.join(line.overrides)}"[:200], found, answered.words)

        try_one()
    assert not (tmp_path / "home").exists()
    campaign.finish()
