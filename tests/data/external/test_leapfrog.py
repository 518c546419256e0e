import functools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import units
from ase_files import DT_FS, bare, changed, changed_by_number, hcl_images, stored
from hypothesis import given
from hypothesis import strategies as st

from mlmd.data.external.ase_reader import read_frames
from mlmd.data.external.leapfrog import leapfrog, position_resolution
from mlmd.errors import ConfigError, DataError
from mlmd.units import ACCELERATION

CODATA = 1e-7
"""ASE's constants are those of 2014, ours of 2018."""


@functools.cache
def images(every=1):
    return hcl_images(60 * every, dt_fs=DT_FS / every, every=every)


def forced_kicks(frames):
    return DT_FS * ACCELERATION * frames.forces[1:-1] / frames.masses


def without_forces(image):
    image.calc = None


def test_verlet_gives_its_own_kicks_to_round_off(tmp_path):
    frames = read_frames(stored(tmp_path / "a.traj", images()))
    from_positions = leapfrog(frames, dt_fs=DT_FS, verify=False).trajectory
    torch.testing.assert_close(from_positions.kicks[0], forced_kicks(frames), rtol=CODATA, atol=1e-13)
    torch.testing.assert_close(from_positions.velocities[0], frames.velocities[1:-1], rtol=0, atol=1e-13)


@pytest.mark.parametrize("suffix", ["traj", "extxyz"])
@pytest.mark.parametrize("change", [lambda _: None, without_forces])
def test_half_steps_drift_from_frame_to_frame(tmp_path, suffix, change):
    frames = read_frames(stored(tmp_path / f"a.{suffix}", changed(images(), change)))
    made = leapfrog(frames, dt_fs=DT_FS)
    run = made.trajectory
    assert run.positions.shape == (1, 59, 2, 3)
    assert torch.equal(run.steps, torch.arange(1, 60))
    drifted = run.positions + DT_FS * run.velocities_after
    exact = 1e-14 if suffix == "traj" else 1e-8
    torch.testing.assert_close(drifted[:, :-1], run.positions[:, 1:], rtol=CODATA, atol=exact)
    torch.testing.assert_close(run.velocities_after[:, :-1], run.velocities_before[:, 1:], rtol=CODATA, atol=4 * exact)
    assert "confirm dt 0.5 fs" in made.notes[0]


def test_kicks_of_the_forces_have_no_noise_of_digits(tmp_path):
    frames = read_frames(stored(tmp_path / "a.traj", images()))
    frames = replace(frames, positions=frames.positions.round(decimals=4))
    made = leapfrog(frames, dt_fs=DT_FS)
    torch.testing.assert_close(made.trajectory.kicks[0], forced_kicks(frames), rtol=0, atol=0)
    assert made.kick_noise_A_per_fs == 0.0
    assert "dt F/m" in made.notes[-1]


@pytest.mark.parametrize(("decimals", "outcome"), [(8, "quiet"), (5, "told"), (3, "refused")])
def test_few_digits_are_told_and_then_refused(tmp_path, decimals, outcome):
    rounded = changed(bare(images()), lambda image: image.set_positions(image.positions.round(decimals)))
    frames = read_frames(stored(tmp_path / "a.traj", rounded))
    if outcome == "refused":
        with pytest.raises(DataError, match=r"so few digits that 3\d % of the kicks is noise"):
            leapfrog(frames, dt_fs=DT_FS)
        return
    made = leapfrog(frames, dt_fs=DT_FS)
    assert ("few digits" in " ".join(made.notes)) == (outcome == "told")
    assert "rebuilt from positions" in made.notes[0]
    exact = leapfrog(read_frames(stored(tmp_path / "b.traj", bare(images()))), dt_fs=DT_FS).trajectory.kicks
    found = float((made.trajectory.kicks - exact).square().mean().sqrt())
    assert 0.6 * made.kick_noise_A_per_fs < found < 1.5 * made.kick_noise_A_per_fs


@given(st.integers(0, 9), st.floats(0.5, 90.0), st.integers(0, 99))
def test_the_decimals_of_positions_are_found(decimals, size, seed):
    numbers = size * np.random.default_rng(seed).uniform(-1, 1, (20, 2, 3))
    numbers[0, 0, 0] = round(size, decimals) // 1 + 10.0**-decimals
    assert position_resolution(torch.from_numpy(numbers.round(decimals))) == pytest.approx(10.0**-decimals)
    single = position_resolution(torch.from_numpy(numbers.astype(np.float32).astype(np.float64)))
    assert 2.0**-25 < single / np.abs(numbers).max() < 2.0**-22
    assert position_resolution(torch.from_numpy(numbers)) < 1e-12


def in_A_per_fs(image):
    image.set_velocities(image.get_velocities() * units.fs)


@pytest.mark.parametrize(
    ("dt_fs", "change", "words"),
    [
        (0.5, in_A_per_fs, r"0\.09823 times.*they look like A/fs, where ASE's unit.*about 5\.09 fs"),
        (1.0, lambda _: None, r"are 2 times.*fs: the time between frames is about 0\.5 fs"),
        (0.48, lambda _: None, r"are 0\.96 times.*about 0\.5 fs"),
    ],
)
def test_a_wrong_unit_or_time_step_is_told_by_name(tmp_path, dt_fs, change, words):
    frames = read_frames(stored(tmp_path / "a.traj", changed(images(), change)))
    with pytest.raises(ConfigError, match=words):
        leapfrog(frames, dt_fs=dt_fs)
    assert leapfrog(frames, dt_fs=dt_fs, verify=False).trajectory.kicks.isfinite().all()


def as_column(factor):
    def change(image):
        image.arrays["vel"] = image.get_velocities() * units.fs * factor
        del image.arrays["momenta"]

    return change


@pytest.mark.parametrize(("factor", "unit"), [(1.0, None), (1e3, "A/ps"), (1e2, "nm/ps"), (1 / units.fs, "ASE's unit")])
def test_velocities_in_a_column_of_their_own(tmp_path, factor, unit):
    frames = read_frames(stored(tmp_path / "a.extxyz", changed(images(), as_column(factor))))
    if unit is None:
        assert "confirm dt" in leapfrog(frames, dt_fs=DT_FS).notes[0]
        return
    with pytest.raises(ConfigError, match=f"they look like {unit}.*, where A/fs is expected"):
        leapfrog(frames, dt_fs=DT_FS)


def test_half_step_velocities_are_known_as_such(tmp_path):
    positions = np.array([image.positions for image in images()])

    def early(image, number):
        image.calc = None
        image.set_velocities((positions[number] - positions[max(number - 1, 0)]) / (DT_FS * units.fs))

    frames = read_frames(stored(tmp_path / "a.traj", changed_by_number(images(), early)))
    assert "half a step early" in leapfrog(frames, dt_fs=DT_FS).notes[0]


def test_velocities_and_forces_of_another_motion_are_refused(tmp_path):
    def shuffled(image, number):
        image.set_momenta(images()[(7 * number) % 61].get_momenta())

    with pytest.raises(DataError, match=r"velocities are not those of its positions.*verify=false"):
        leapfrog(read_frames(stored(tmp_path / "a.traj", changed_by_number(images(), shuffled))), dt_fs=DT_FS)
    frames = read_frames(stored(tmp_path / "b.traj", images()))
    frames.forces[:, 0] = frames.forces[:, 0].roll(1, dims=-1)
    with pytest.raises(DataError, match="the forces in the file do not make its motion"):
        leapfrog(frames, dt_fs=DT_FS)


def test_forces_alone_tell_the_time_step(tmp_path):
    def without_momenta(image):
        del image.arrays["momenta"]

    frames = read_frames(stored(tmp_path / "a.traj", changed(images(), without_momenta)))
    with pytest.raises(ConfigError, match=r"kicks that are 4 times.*with dt 1 fs: either it is about 0\.5 fs"):
        leapfrog(frames, dt_fs=1.0)


def test_every_fifth_step_of_finer_dynamics_is_a_leapfrog_of_its_own(tmp_path):
    frames = read_frames(stored(tmp_path / "a.traj", images(every=5)))
    made = leapfrog(frames, dt_fs=DT_FS)
    run = made.trajectory
    torch.testing.assert_close(run.positions[:, :-1] + DT_FS * run.velocities_after[:, :-1], run.positions[:, 1:])
    excess = float((forced_kicks(frames) * run.kicks[0]).sum() / run.kicks.square().sum()) - 1.0
    # Of one harmonic bond x^2/12, with x = omega dt = 0.28 here; the bond is a Morse bond that vibrates far.
    assert 0.5 * 0.28**2 / 12 < excess < 2.0 * 0.28**2 / 12
    assert not any("dt F/m" in note for note in made.notes)
    assert "confirm dt 0.5 fs" in made.notes[0]


@pytest.mark.parametrize(("n_steps", "words"), [(1, "holds 2 frames, but a kick needs 3"), (4, "no atom accelerates")])
def test_without_motion_there_is_nothing_to_learn(tmp_path, n_steps, words):
    still = changed(bare(images()[: n_steps + 1]), lambda image: image.set_positions(images()[0].positions))
    with pytest.raises(DataError, match=words):
        leapfrog(read_frames(stored(tmp_path / "a.traj", still)), dt_fs=DT_FS)


def test_the_noise_of_a_kick_is_that_of_three_rounded_positions():
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (20_000, 3))
    assert (noise @ [1.0, -2.0, 1.0]).std() == pytest.approx(1.0 / math.sqrt(2.0), rel=0.02)
