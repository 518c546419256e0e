from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch

from mlmd.errors import ConfigError, DataError
from mlmd.io import xyz
from mlmd.io.xyz import write_extended_xyz
from mlmd.state import Trajectory
from mlmd.units import ACCELERATION

MASSES_U = [2.01410177812, 34.968852682]


@pytest.fixture
def trajectory() -> Trajectory:
    generator = torch.Generator().manual_seed(0)
    shape = (3, 5, 2, 3)
    # Speeds of the size of thermal DCl: about 0.01 A/fs.
    values = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    return Trajectory(torch.arange(100, 150, 10), values[0], 0.01 * values[1], 1e-3 * values[2])


def _read(path: Path) -> list[ase.Atoms]:
    frames = ase.io.read(path, ":")
    assert isinstance(frames, list)
    return frames


def test_ase_reads_positions_velocities_and_kinetic_energy(tmp_path: Path, trajectory: Trajectory) -> None:
    path = tmp_path / "a.xyz"
    write_extended_xyz(path, trajectory, symbols=["D", "Cl"], masses_u=MASSES_U, dt_fs=0.25, replica=1)
    frames = _read(path)
    assert len(frames) == 5
    masses = np.array(MASSES_U)
    for index, atoms in enumerate(frames):
        assert atoms.get_chemical_symbols() == ["H", "Cl"]
        np.testing.assert_allclose(atoms.get_masses(), masses, rtol=1e-8)
        np.testing.assert_allclose(atoms.positions, trajectory.positions[1, index].numpy(), atol=1e-8)
        v = trajectory.velocities[1, index].numpy()
        # ASE's time unit is 10.180505 fs: its velocities are so many times ours.
        np.testing.assert_allclose(atoms.get_velocities(), v * 10.180505, rtol=1e-6, atol=1e-7)
        kinetic = 0.5 * (masses[:, None] * v**2).sum() / ACCELERATION
        assert atoms.get_kinetic_energy() == pytest.approx(kinetic, rel=1e-6)
        assert atoms.info["step"] == 100 + 10 * index
        assert atoms.info["time_fs"] == pytest.approx(25.0 + 2.5 * index)
        assert atoms.info["replica"] == 1


def test_every_takes_one_frame_in_so_many(tmp_path: Path, trajectory: Trajectory) -> None:
    write_extended_xyz(tmp_path / "a.xyz", trajectory, symbols=["H", "Cl"], masses_u=MASSES_U, dt_fs=0.25, every=2)
    assert [atoms.info["step"] for atoms in _read(tmp_path / "a.xyz")] == [100, 120, 140]


@pytest.mark.parametrize("every", [1, 3])
def test_frames_are_written_in_chunks(
    tmp_path: Path, trajectory: Trajectory, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    arguments = {"symbols": ["H", "Cl"], "masses_u": MASSES_U, "dt_fs": 0.25, "replica": 2, "every": every}
    write_extended_xyz(tmp_path / "whole.xyz", trajectory, **arguments)
    monkeypatch.setattr(xyz, "_CHUNK_FRAMES", 1)
    asked = []

    class Stored(Trajectory):
        def frames(self, start: int, stop: int, replicas: slice = slice(None)) -> Trajectory:
            asked.append((start, stop, replicas))
            return super().frames(start, stop, replicas)

    fields = (trajectory.steps, trajectory.positions, trajectory.velocities, trajectory.kicks)
    write_extended_xyz(tmp_path / "streamed.xyz", Stored(*fields), **arguments)
    assert (tmp_path / "streamed.xyz").read_bytes() == (tmp_path / "whole.xyz").read_bytes()
    assert asked[1:] == [(start, min(start + every, 5), slice(2, 3)) for start in range(0, 5, every)]


def test_diverged_frames_are_written(tmp_path: Path, trajectory: Trajectory) -> None:
    trajectory.positions[0, 3:] = torch.nan
    trajectory.velocities[0, 3:] = torch.nan
    write_extended_xyz(tmp_path / "a.xyz", trajectory, symbols=["H", "Cl"], masses_u=MASSES_U, dt_fs=0.25)
    frames = _read(tmp_path / "a.xyz")
    assert [bool(np.isnan(atoms.positions).all()) for atoms in frames] == [False, False, False, True, True]


@pytest.mark.parametrize(("argument", "value"), [("replica", 3), ("replica", -1), ("every", 0)])
def test_values_out_of_range_are_refused(tmp_path: Path, trajectory: Trajectory, argument: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"{argument}.*{value}.*; choose"):
        write_extended_xyz(
            tmp_path / "a.xyz",
            trajectory,
            symbols=["H", "Cl"],
            masses_u=MASSES_U,
            dt_fs=0.25,
            **{argument: value},  # type: ignore[arg-type]
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("symbols", "words"), [(["H"], "1 symbols and 2 masses for 2 atoms"), (["H", "Xx"], "'Xx' is not a chemical")]
)
def test_atoms_that_do_not_fit_are_refused(
    tmp_path: Path, trajectory: Trajectory, symbols: list[str], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        write_extended_xyz(tmp_path / "a.xyz", trajectory, symbols=symbols, masses_u=MASSES_U, dt_fs=0.25)
    assert list(tmp_path.iterdir()) == []
