import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.running import ROOT

HERE = Path(__file__).parent
FRAME_MB = 256 * 2 * 3 * 8 * 3 / 1e6
"""256 replicas of 2 atoms: positions, velocities and kicks of one step."""


@pytest.mark.skipif(sys.platform != "linux", reason="a child's peak memory counts differently")
def test_memory_of_a_simulation_does_not_grow_with_its_length(trained, tmp_path):
    """From the start to metrics.json. Whatever was kept whole, of one array of positions on, would fail this."""
    short, long = 300, 2400
    command = [sys.executable, str(HERE / "peak_memory.py"), str(trained), str(tmp_path), str(short), str(long)]
    path = os.pathsep.join([str(HERE.parent), str(ROOT)])
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, timeout=300)
    assert ended.returncode == 0, ended.stderr
    peaks = {
        int(line.split()[2]): float(line.split()[4])
        for line in ended.stdout.splitlines()
        if line.startswith("peak of ")
    }
    for n_steps in (short, long):
        assert (tmp_path / f"{n_steps}" / "metrics.json").is_file()
    assert peaks[long] - peaks[short] < (long - short) * FRAME_MB / 3
