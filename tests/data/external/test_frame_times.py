from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlmd.data.external.ase_reader import FileFrames
from mlmd.data.external.frame_times import even_spacing, frame_spacing
from mlmd.errors import ConfigError, DataError

N_FRAMES = 6


def frames(**said) -> FileFrames:
    """A chain of frames that moves by 0.01 A a frame along x."""
    positions = torch.zeros(N_FRAMES, 2, 3, dtype=torch.float64)
    positions[:, :, 0] = 0.01 * torch.arange(N_FRAMES, dtype=torch.float64).unsqueeze(-1)
    nothing = dict.fromkeys(("velocities", "forces", "steps", "times_fs", "times"))
    plain = FileFrames(Path("a.xyz"), ("H", "H"), (1.008, 1.008), False, positions, from_momenta=False, **nothing)
    return replace(plain, **{name: torch.tensor(values, dtype=torch.float64) for name, values in said.items()})


@given(st.floats(0.01, 10.0), st.integers(0, 10**6))
def test_the_files_times_give_the_spacing(dt_fs, start):
    times = [dt_fs * (start + frame) for frame in range(N_FRAMES)]
    spacing, notes = frame_spacing(frames(times_fs=times), None)
    assert spacing == pytest.approx(dt_fs, rel=1e-8)
    assert notes == []
    assert frame_spacing(frames(times_fs=times), dt_fs)[0] == dt_fs


def test_the_user_says_what_the_file_does_not():
    assert frame_spacing(frames(), 0.25) == (0.25, [])
    assert frame_spacing(frames(times=[0.0, 3.0, 6.0, 9.0, 12.0, 15.0]), 0.25) == (0.25, [])


def test_a_stride_is_told():
    spacing, notes = frame_spacing(frames(steps=[10, 15, 20, 25, 30, 35]), 2.5)
    assert spacing == 2.5
    assert "one in 5 MD steps is stored" in notes[0]


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ({}, r"dt_fs=\.\.\.$"),
        ({"times": [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]}, r"advances by 0\.25 in an unknown unit"),
        ({"velocities": [[[0.02, 0.0, 0.0]] * 2] * N_FRAMES}, r"dt_fs=\.\.\., about 0\.5 by its velocities"),
    ],
)
def test_without_a_time_step_the_file_is_asked_for_a_hint(said, hint):
    with pytest.raises(ConfigError, match=f"contains no time step; .*{hint}"):
        frame_spacing(frames(**said), None)


def test_times_with_few_digits_agree_with_the_user():
    times = [round(frame / 3, 4) for frame in range(N_FRAMES)]
    assert frame_spacing(frames(times_fs=times), 1 / 3) == (1 / 3, [])


def test_two_time_steps_are_refused():
    with pytest.raises(ConfigError, match=r"dt_fs = 0\.5, but the frames of a\.xyz are 0\.25 fs apart"):
        frame_spacing(frames(times_fs=[0.0, 0.25, 0.5, 0.75, 1.0, 1.25]), 0.5)


@pytest.mark.parametrize("dt_fs", [0.0, -1.0, float("nan")])
def test_a_time_step_is_positive(dt_fs):
    with pytest.raises(ConfigError, match=r"dt_fs = .* must be positive"):
        frame_spacing(frames(), dt_fs)


@given(st.integers(1, 19), st.sampled_from([-1.0, 0.5, 1.0, 7.0]), st.floats(0.1, 10.0))
def test_an_uneven_frame_is_named(frame, jump, dt_fs):
    values = dt_fs * torch.arange(20, dtype=torch.float64)
    values[frame:] += jump * dt_fs
    with pytest.raises(DataError, match=rf"frame {frame} is unevenly spaced: its step is"):
        even_spacing(values, "a.xyz", "step")


def test_a_repeated_frame_is_uneven_and_standing_steps_are_none():
    with pytest.raises(DataError, match="frame 3 is unevenly spaced: its step is 2 after 2"):
        frame_spacing(frames(steps=[0, 1, 2, 2, 3, 4]), 0.5)
    with pytest.raises(DataError, match="time does not increase"):
        frame_spacing(frames(times=[1.0] * N_FRAMES), 0.5)


def test_printed_times_are_even_to_their_digits():
    values = (0.333333 * torch.arange(1000, dtype=torch.float64)).round(decimals=4)
    assert even_spacing(values, "a.xyz", "time_fs") == pytest.approx(0.333333, rel=1e-6)
