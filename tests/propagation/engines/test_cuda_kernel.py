"""The Triton kernel on a GPU or in Triton's interpreter, and compiled for a GPU that is not there.

Triton reads TRITON_INTERPRET when it is imported, so each way is a process of its own.
"""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
HOPPER_SHARED_BYTES = 232_448

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")


def test_the_kernel_does_what_the_eager_engine_does() -> None:
    on_a_gpu = torch.cuda.is_available()
    if not on_a_gpu and tuple(map(int, importlib.metadata.version("triton").split(".")[:2])) < (3, 7):
        pytest.skip("before 3.7, Triton's interpreter needs a NumPy older than 1.25")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(HERE / "cuda_cases.py")]
    environment = os.environ | {"TRITON_INTERPRET": "0" if on_a_gpu else "1"}
    done = subprocess.run(command, env=environment, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_the_kernel_compiles_for_a_hopper_gpu_and_spills_nothing(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(HERE / "cuda_for_hopper.py"), str(tmp_path)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    compiled = [line.split() for line in done.stdout.splitlines()]
    assert [name for name, *_ in compiled] == ["DuR0-2x32", "3uR0-2x64"]
    for _, expected_bytes, shared_bytes, stack_bytes in compiled:
        # Spilled registers go to the stack.
        assert int(stack_bytes) == 0
        assert int(shared_bytes) <= int(expected_bytes) <= HOPPER_SHARED_BYTES
