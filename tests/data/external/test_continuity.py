"""A file whose motion breaks is refused with the frame named; a sound one is taken, however hot or coarse."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from ase_files import hcl_images, water_images

from mlmd.data.external.continuity import require_continuous
from mlmd.data.external.leapfrog import position_resolution
from mlmd.errors import DataError

PATH = Path("mine.xyz")


@functools.cache
def water():
    return np.array([image.positions for image in water_images(400, dt_fs=0.4)])


@functools.cache
def hcl(dt_fs=0.5):
    return np.array([image.positions for image in hcl_images(400, dt_fs=dt_fs)])


def check(positions, symbols=("O", "H", "H")):
    tensor = torch.from_numpy(positions)
    require_continuous(PATH, tensor, symbols[: positions.shape[1]], position_resolution(tensor))


@pytest.mark.parametrize("decimals", [None, 10, 6, 5])
@pytest.mark.parametrize("make", [water, hcl, lambda: hcl(0.1), lambda: hcl()[::2], lambda: water()[::4]])
def test_a_sound_motion_is_taken(make, decimals):
    check(make() if decimals is None else make().round(decimals))


def test_few_frames_are_taken():
    for n_frames in range(1, 12):
        check(water()[:n_frames])


def test_atoms_that_do_not_move_are_taken():
    check(np.repeat(water()[:1], 20, axis=0))


def doubled(frames, at):
    return np.insert(frames, at, frames[at - 1], axis=0)


def missing(frames, at):
    return np.delete(frames, at, axis=0)


def five_missing(frames, at):
    return np.delete(frames, slice(at, at + 5), axis=0)


def begun_anew(frames, at):
    return np.concatenate([frames[:at], frames[: len(frames) - at]])


def turned_back(frames, at):
    return np.concatenate([frames[:at], frames[: at - 1][::-1]])


@pytest.mark.parametrize("break_", [doubled, missing, five_missing, begun_anew, turned_back])
@pytest.mark.parametrize("make", [water, hcl])
@pytest.mark.parametrize("decimals", [None, 6])
def test_a_break_is_refused_wherever_it_is(make, break_, decimals):
    for at in range(20, 300, 7):
        broken = break_(make(), at)
        with pytest.raises(DataError) as refused:
            check(broken if decimals is None else broken.round(decimals))
        # At a turning point the frame beside is as good a place.
        assert any(f"{frame}" in str(refused.value) for frame in (at - 1, at, at + 1)), (at, refused.value)


def test_a_frame_that_is_there_twice_is_named():
    with pytest.raises(DataError, match=r"mine.xyz: frame 150 is frame 149 once more, as after a restart; remove it"):
        check(doubled(water(), 150))


def test_all_doubled_frames_are_counted():
    with pytest.raises(DataError, match=r"frame 50 is frame 49 once more, as after a restart, and 2 others so"):
        check(doubled(doubled(doubled(water(), 200), 100), 50))


def test_exchanged_atoms_are_named():
    broken = water().copy()
    broken[150:] = broken[150:][:, [0, 2, 1]]
    with pytest.raises(DataError, match="breaks between frames 149 and 150: atoms 1 and 2 are exchanged"):
        check(broken)


def test_exchanged_frames_are_named():
    broken = water().copy()
    broken[[150, 151]] = broken[[151, 150]]
    with pytest.raises(DataError, match="breaks between frames 149 and 150: a frame is missing or out of order"):
        check(broken)


def test_frames_in_no_order_are_refused():
    shuffled = np.random.default_rng(0).permutation(water())
    with pytest.raises(DataError, match="its frames are in no order of time"):
        check(shuffled)
