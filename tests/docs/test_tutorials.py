"""The commands of the tutorials run, in a fast form."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAST = {"train.py": ("experiment=fast",), "simulate.py": ("n_steps=400", "n_replicas=2", "engine=eager")}


def commands(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line, posix=True)[1:] for line in "".join(blocks).splitlines() if line.startswith("python ")]


def run(script, *arguments, folder):
    command = [sys.executable, script, *arguments, *FAST[script], "logger=csv", f"hydra.run.dir={folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_first_run(tmp_path):
    train, simulate, resume, _ = commands("tutorials/first_run.md")
    assert resume == ["simulate.py", "resume=outputs/simulate/HCl/3vR0/<time>"]
    run(*train, folder=tmp_path / "train")
    placed = [re.sub(r"^checkpoint=.*", f"checkpoint={tmp_path / 'train'}", argument) for argument in simulate]
    assert placed != simulate
    run(*placed, folder=tmp_path / "simulate")
    for name in ("report.html", "metrics.json", "curves.json", "replicas.csv"):
        assert (tmp_path / "train" / name).is_file(), name
    for name in ("trajectory.h5", "reference.h5", "metrics.json"):
        assert (tmp_path / "simulate" / name).is_file(), name
