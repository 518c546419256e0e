"""``import mlmd`` and ``mlmd --help`` answer at once: they import no library that takes long to import."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning", "hydra", "omegaconf", "numpy", "ase", "h5py", "pydantic", "matplotlib", "wandb")
HELP = "from mlmd.cli.main import main; import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()): main({})"


def imported(code):
    """The libraries that a new process has imported after some code."""
    words = f"import json, sys\n{code}\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("code", ["import mlmd", HELP.format(["--help"]), HELP.format(["--version"])])
def test_no_heavy_library_is_imported(code):
    assert imported(code) == []


def test_a_heavy_library_is_noticed():
    assert imported("import mlmd.units, numpy") == ["numpy"]
