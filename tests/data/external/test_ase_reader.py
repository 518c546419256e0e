import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.constraints import FixAtoms, FixBondLength
from ase_files import DT_FS, bare, changed_by_number, hcl_images, stored
from hypothesis import given
from hypothesis import strategies as st

from mlmd.data.external.ase_reader import read_frames
from mlmd.errors import DataError


@functools.cache
def images():
    return hcl_images(7)


@pytest.mark.parametrize(("suffix", "atol"), [("traj", 0.0), ("extxyz", 5.1e-9)])
def test_what_ase_wrote_is_read(tmp_path, suffix, atol):
    frames = read_frames(stored(tmp_path / f"a.{suffix}", images()))
    assert frames.symbols == ("H", "Cl")
    assert frames.masses_u == (1.008, 35.45)
    assert not frames.has_masses
    assert frames.from_momenta
    np.testing.assert_allclose(frames.positions, [image.positions for image in images()], rtol=0, atol=atol)
    np.testing.assert_allclose(frames.forces, [image.get_forces() for image in images()], rtol=0, atol=atol)
    # ASE's time unit is 10.180505 fs.
    velocities = [image.get_velocities() / 10.180505 for image in images()]
    np.testing.assert_allclose(frames.velocities, velocities, rtol=1e-6, atol=atol)


def test_isotopes_are_the_files(tmp_path):
    frames = read_frames(stored(tmp_path / "a.extxyz", hcl_images(3, masses=[2.014, 36.966])))
    assert frames.has_masses
    assert frames.masses_u == (2.014, 36.966)


def test_a_plain_xyz_has_positions_alone(tmp_path):
    frames = read_frames(stored(tmp_path / "a.xyz", bare(images()), plain=True))
    assert (len(frames), frames.velocities, frames.forces, frames.times_fs) == (8, None, None, None)


def test_velocities_of_some_frames_are_none(tmp_path):
    assert read_frames(stored(tmp_path / "a.traj", [*bare(images()[:1]), *images()[1:]])).velocities is None


def test_a_name_with_an_at_sign_is_a_name(tmp_path):
    assert len(read_frames(stored(tmp_path / "a@0:2.traj", images()))) == 8


def periodic(image, number):
    image.set_cell([9.0, 9.0, 9.0])
    image.pbc = number >= 0


def fixed(image, number):
    image.set_constraint([FixAtoms([1]), FixBondLength(0, 1)])


def swapped_at_4(image, number):
    return image[[1, 0]] if number == 4 else image


def heavier_at_4(image, number):
    image.set_masses([2.014 if number == 4 else 1.008, 35.45])


def shorter_at_4(image, number):
    return image[[0]] if number == 4 else image


def lost_at_4(image, number):
    if number == 4:
        image.positions[1, 2] = np.nan


def without_momentum_at_4(image, number):
    if number == 4:
        image.set_momenta(np.full((2, 3), np.inf))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (periodic, "frame 0 is periodic .*free molecules"),
        (fixed, r"frame 0 has constraints \(FixAtoms, FixBondLengths\)"),
        (swapped_at_4, "frame 4: atom 0 is Cl, in the first frame it is H"),
        (heavier_at_4, "frame 4: its masses differ"),
        (shorter_at_4, "frame 4 has 1 atoms, the first has 2"),
        (lost_at_4, "frame 4: the position of atom 1 is no number"),
        (without_momentum_at_4, "frame 4: its velocities are no numbers"),
    ],
)
def test_what_is_no_free_motion_of_one_molecule_is_refused(tmp_path, change, words):
    path = stored(tmp_path / "a.traj", changed_by_number(images(), change))
    with pytest.raises(DataError, match=f"a.traj: {words}"):
        read_frames(path)


def clamped(image, number):
    image.set_constraint(FixAtoms([1]))


@pytest.mark.parametrize(
    ("change", "words"), [(periodic, "frame 0 is periodic"), (clamped, r"constraints \(Fix(Cartesian|Atoms)")]
)
def test_extended_xyz_keeps_cells_and_constraints(tmp_path, change, words):
    with pytest.raises(DataError, match=words):
        read_frames(stored(tmp_path / "a.extxyz", changed_by_number(images(), change)))


@functools.cache
def whole(suffix: str, folder: Path) -> bytes:
    return stored(folder / f"whole.{suffix}", images()).read_bytes()


@pytest.mark.parametrize("suffix", ["traj", "extxyz"])
@given(part=st.floats(0.0, 1.0, exclude_max=True))
def test_cut_files_are_refused_with_the_frames_that_are_whole(tmp_path_factory, suffix, part):
    folder = tmp_path_factory.getbasetemp()
    data = whole(suffix, folder)
    path = folder / f"cut.{suffix}"
    path.write_bytes(data[: int(part * len(data))])
    ends = [-1]
    if suffix == "extxyz":
        # Between two frames nothing tells that there were more.
        lines = data.splitlines(keepends=True)
        ends = [sum(map(len, lines[:count])) for count in range(4, len(lines) + 1, 4)]
    size = path.stat().st_size
    if size in ends or size + 1 in ends:  # the last end of line may be missing
        assert len(read_frames(path)) == sum(end <= size + 1 for end in ends)
        return
    with pytest.raises(DataError, match=r"cut.*(it is empty|truncated (or damaged )?after \d whole frames)") as refused:
        read_frames(path)
    if suffix == "extxyz" and path.stat().st_size:
        assert f"after {sum(end < path.stat().st_size for end in ends)} whole" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.traj", b"", "it is empty"),
        ("a.extxyz", b"\n", "it holds no frame"),
        ("a.traj", b"an essay", "truncated or damaged after 0 whole frames"),
        ("a.essay", b"an essay", "in no format that ASE knows"),
    ],
)
def test_what_holds_no_frame_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_frames(tmp_path / name)


@pytest.mark.parametrize(("name", "words"), [("none.traj", "no such file"), (".", "it is a folder")])
def test_what_is_no_file_is_refused(tmp_path, name, words):
    with pytest.raises(DataError, match=words):
        read_frames(tmp_path / name)


def test_words_that_only_look_like_times_are_none(tmp_path):
    path = stored(tmp_path / "a.xyz", bare(images()), plain=True, comment="step time=soon")
    frames = read_frames(path)
    assert (frames.steps, frames.times) == (None, None)


def test_steps_and_times_are_of_every_frame_or_of_none(tmp_path):
    def numbered(image, number):
        image.info = {"step": 3 * number, "time_fs": 3 * DT_FS * number, "time": "soon"}

    frames = read_frames(stored(tmp_path / "a.traj", changed_by_number(images(), numbered)))
    assert torch.equal(frames.steps, torch.arange(0, 24, 3))
    assert frames.times_fs[-1] == 10.5
    assert frames.times is None
