import torch
from hypothesis import given
from hypothesis import strategies as st

from mlmd.on_the_fly import History
from mlmd.state import Trajectory


def stretch(first: int, n_frames: int, n_replicas: int = 1) -> Trajectory:
    """Frames whose numbers tell their step and replica."""
    steps = torch.arange(first, first + n_frames)
    values = steps.double()[None, :, None, None] + 0.1 * torch.arange(n_replicas)[:, None, None, None]
    return Trajectory(steps, *(values.expand(n_replicas, n_frames, 2, 3).clone() for _ in range(3)))


def history(*stretches: tuple[int, int], n_replicas: int = 1) -> History:
    known = History()
    for first, n_frames in stretches:
        known.append(stretch(first, n_frames, n_replicas))
    return known


def test_frames_that_follow_go_on_with_the_stretch():
    known = history((0, 10), (10, 5), (40, 7), (47, 3))
    assert [(int(part.steps[0]), len(part)) for part in known.stretches] == [(0, 15), (40, 10)]
    assert known.n_steps == 25
    assert torch.equal(known.last_frames(4).steps, torch.arange(46, 50))
    assert len(known.last_frames(99)) == 10
    known.append(known.last.frames(0, 0))
    assert known.n_steps == 25


@given(
    st.lists(st.integers(1, 90), min_size=0, max_size=4),
    st.integers(80, 200),
    st.integers(10, 40),
    st.integers(5, 40),
    st.integers(1, 3),
)
def test_everything_long_enough_is_learned_from_and_nothing_held_out(earlier, last, held_out, least, n_replicas):
    starts = [1000 * i for i in range(len(earlier) + 1)]
    known = history(*zip(starts, [*earlier, last], strict=True), n_replicas=n_replicas)
    splits = known.split(held_out_steps=held_out, least_steps=least)
    train, val = splits["train"], splits["val"]
    assert torch.equal(val.steps, torch.arange(starts[-1] + last - held_out, starts[-1] + last))
    seen = set(train.positions[..., 0, 0].flatten().round(decimals=3).tolist())
    expected = set()
    for start, n_frames in zip(starts, [*earlier, last - held_out], strict=True):
        if n_frames >= least:
            expected |= {round(start + i + 0.1 * r, 3) for i in range(n_frames) for r in range(n_replicas)}
    assert seen == expected
    assert len(train) >= least
    # Pieces are consecutive frames.
    assert bool(torch.allclose(train.positions.diff(dim=1), torch.ones(()).double()))


def test_what_was_saved_comes_back():
    known = history((0, 12), (30, 9))
    again = History.from_state_dict(known.state_dict())
    assert [torch.equal(a.positions, b.positions) for a, b in zip(again.stretches, known.stretches, strict=True)] == [
        True,
        True,
    ]
    again.append(stretch(39, 2))
    assert known.n_steps == 21


def test_only_the_last_stretch_is_kept():
    known = history((0, 12), (30, 9))
    known.forget_all_but_last()
    assert known.n_steps == 9
    assert int(known.last.steps[0]) == 30
