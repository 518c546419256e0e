import itertools

import pytest
import torch

from mlmd.data.module import BatchPlan
from mlmd.data.sequences import SequenceBatches
from mlmd.errors import ConfigError

N_TRAJECTORIES, N_STEPS = 6, 40


def batches(*, epoch=0, seed=1, rank=0, noise=0.0, **sizes) -> SequenceBatches:
    """Input (trajectory, step), so that every stretch says where it was cut; target = 100 trajectory + step."""
    where = torch.cartesian_prod(torch.arange(N_TRAJECTORIES), torch.arange(N_STEPS)).reshape(
        N_TRAJECTORIES, N_STEPS, 2
    )
    inputs = where.double()
    response = torch.tensor([[2.0], [-3.0]], dtype=torch.float64)
    targets = (100.0 * inputs[..., :1]) + inputs[..., 1:]
    plan = {"sequence_length": 8, "batch_size": 5, "n_batches": 4} | sizes
    return SequenceBatches(inputs, targets, response, noise=noise, seed=seed, epoch=lambda: epoch, rank=rank, **plan)


def drawn(**options) -> torch.Tensor:
    return torch.stack([inputs for inputs, _ in batches(**options)])


def test_stretches_are_consecutive_steps_of_one_trajectory():
    for inputs, targets in batches(n_batches=50):
        assert inputs.shape == (5, 8, 2)
        assert bool((inputs[:, :, 0] == inputs[:, :1, 0]).all())
        assert bool((inputs[:, :, 1].diff(dim=1) == 1).all())
        torch.testing.assert_close(targets[..., 0], 100.0 * inputs[..., 0] + inputs[..., 1])


def test_every_trajectory_and_every_start_is_drawn():
    starts = drawn(n_batches=400)[:, :, 0].reshape(-1, 2).long()
    assert {tuple(start) for start in starts.tolist()} == set(
        itertools.product(range(N_TRAJECTORIES), range(N_STEPS - 8 + 1))
    )


def test_the_same_epoch_draws_the_same_whatever_came_before():
    loader = batches(epoch=3)
    first = [inputs for inputs, _ in loader]
    torch.randn(100)
    again = [inputs for inputs, _ in loader]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(torch.stack(first), drawn(epoch=3))


@pytest.mark.parametrize("other", [{"epoch": 1}, {"seed": 2}, {"rank": 1}])
def test_other_epochs_seeds_and_processes_draw_others(other):
    assert not torch.equal(drawn(), drawn(**other))


def test_an_epoch_has_the_planned_batches():
    assert len(batches(n_batches=7)) == len(list(batches(n_batches=7))) == 7


def test_noise_moves_the_target_with_the_input():
    quiet, noisy = batches(n_batches=40), batches(n_batches=40, noise=0.1)
    shifts, moved = [], []
    for (inputs, targets), (noisy_inputs, noisy_targets) in zip(quiet, itertools.islice(noisy, 1), strict=False):
        shifts.append(noisy_inputs - inputs)
        moved.append(noisy_targets - targets)
    shift = torch.cat(shifts)
    torch.testing.assert_close(torch.cat(moved)[..., 0], 2.0 * shift[..., 0] - 3.0 * shift[..., 1])
    assert float(shift.std()) == pytest.approx(0.1, rel=0.2)


def test_a_stretch_must_fit_its_trajectory():
    assert drawn(sequence_length=N_STEPS).shape[2] == N_STEPS
    with pytest.raises(ConfigError, match=r"data\.batches\.sequence_length = 41 is longer than the 40 usable steps"):
        batches(sequence_length=N_STEPS + 1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sequence_length", 0, "must be at least 1"),
        ("batch_size", 0, "must be at least 1"),
        ("batches_per_epoch", 0, "must be at least 1"),
        ("noise", -0.1, "must not be negative"),
        ("noise", float("nan"), "must not be negative"),
    ],
)
def test_a_plan_out_of_range_is_refused(name, value, words):
    plan = {"sequence_length": 8, "batch_size": 5, "batches_per_epoch": 4, "noise": 0.0} | {name: value}
    with pytest.raises(ConfigError, match=rf"data\.batches\.{name} = {value} {words}"):
        BatchPlan(**plan)
