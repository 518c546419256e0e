from collections.abc import Callable
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from mlmd import reporting
from mlmd.reporting import RunLabel
from reporting.bonds import bonds, view

TIME_PS = torch.linspace(0.1, 1.0, 10, dtype=torch.float64)
ERROR = torch.logspace(-4, -1, 40, dtype=torch.float64).reshape(4, 10)
BONDS = view(bonds(n_replicas=4))
LAG_FS = 0.5 * torch.arange(2001, dtype=torch.float64)
WAVENUMBERS = torch.arange(0.0, 6000.0, 2.0, dtype=torch.float64)
POWER = 1.0 / (1.0 + (WAVENUMBERS - 2990.0).square())
VACF = torch.cos(0.56 * LAG_FS)
VELOCITIES = torch.linspace(-0.1, 0.1, 500, dtype=torch.float64)

SAVERS: dict[str, Callable[[Path, RunLabel], Path]] = {
    "loss": lambda path, label: reporting.loss_figure(path, [{"epoch": 0, "train/loss": 0.1}], label),
    "velocity": lambda path, label: reporting.velocity_figure(path, 1.1 * VELOCITIES, VELOCITIES, label),
    "energy": lambda path, label: reporting.energy_error_figure(path, {"f = 0": (TIME_PS, ERROR)}, label),
    "bond": lambda path, label: reporting.bond_figure(path, BONDS, {"f = 0": BONDS}, label),
    "dynamics": lambda path, label: reporting.dynamics_figure(
        path, LAG_FS, VACF, {"f = 0": VACF}, WAVENUMBERS, POWER, {"f = 0": POWER}, 2990.0, label
    ),
    "trajectory": lambda path, label: reporting.trajectory_picture(
        path, {"f = 0": (TIME_PS, ERROR)}, BONDS, {"f = 0": BONDS}, label
    ),
}


@pytest.mark.parametrize("name", SAVERS)
def test_every_figure_is_a_png_with_something_on_it(name: str, label: RunLabel, tmp_path: Path) -> None:
    path = SAVERS[name](tmp_path / f"{name}.png", label)
    assert path == tmp_path / f"{name}.png"
    assert path.stat().st_size > 10_000
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        assert image.width == 1050
        assert image.height == (900 if name == "trajectory" else 675)
        pixels = np.asarray(image.convert("L"))
    assert 0.01 < (pixels < 230).mean() < 0.6
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{name}.png"]


def test_the_same_figure_is_the_same_file(label: RunLabel, tmp_path: Path) -> None:
    first, second = (SAVERS["velocity"](tmp_path / name, label) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()


def test_nothing_global_is_left_behind(label: RunLabel, tmp_path: Path) -> None:
    settings = dict(matplotlib.rcParams)
    for name, save in SAVERS.items():
        save(tmp_path / f"{name}.png", label)
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == settings
