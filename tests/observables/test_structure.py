import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.errors import DataError
from mlmd.observables import bond_lengths, bond_mean_error_A, bond_std_error_A, wasserstein_distance

SAMPLES = st.lists(st.floats(-100, 100), min_size=1, max_size=12)


def test_bond_lengths_are_the_direct_distances():
    positions = np.random.default_rng(0).normal(size=(3, 5, 2, 3))
    expected = np.sqrt(((positions[:, :, 1] - positions[:, :, 0]) ** 2).sum(axis=-1))
    np.testing.assert_allclose(bond_lengths(torch.from_numpy(positions)).numpy(), expected, rtol=1e-14)


def test_three_atoms_have_no_bond():
    with pytest.raises(DataError, match="give a diatomic"):
        bond_lengths(torch.zeros(1, 1, 3, 3))


def test_mean_and_spread_errors_are_of_the_pooled_sample():
    rng = np.random.default_rng(1)
    lengths, reference = rng.normal(1.3, 0.1, (3, 40)), rng.normal(1.2, 0.2, (3, 60))
    tensors = torch.from_numpy(lengths), torch.from_numpy(reference)
    assert float(bond_mean_error_A(*tensors)) == pytest.approx(abs(lengths.mean() - reference.mean()), rel=1e-12)
    assert float(bond_std_error_A(*tensors)) == pytest.approx(abs(lengths.std() - reference.std()), rel=1e-12)


@settings(deadline=None)  # the first call sets up the library
@given(SAMPLES, SAMPLES)
def test_wasserstein_is_the_pairing_of_repeated_samples(first, second):
    # Repeated to a common size both samples keep their distributions, and sorted pairs are the best transport.
    size = math.lcm(len(first), len(second))
    x = np.sort(np.repeat(first, size // len(first)))
    y = np.sort(np.repeat(second, size // len(second)))
    ours = wasserstein_distance(torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64))
    assert float(ours) == pytest.approx(np.abs(x - y).mean(), abs=1e-10)


@settings(deadline=None)
@given(shift=st.floats(-5, 5), n_more=st.sampled_from([1, 2, 3]))
def test_wasserstein_of_a_shift_is_the_shift_at_any_size(shift, n_more):
    sample = torch.randn(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(wasserstein_distance(sample.repeat(n_more) + shift, sample)) == pytest.approx(abs(shift), abs=1e-12)


def test_wasserstein_sees_what_mean_and_spread_do_not():
    two_sided = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat(2)
    skewed = torch.tensor([-math.sqrt(3.0)] + [1 / math.sqrt(3.0)] * 3, dtype=torch.float64)
    assert float(bond_mean_error_A(two_sided, skewed)) == pytest.approx(0.0, abs=1e-12)
    assert float(bond_std_error_A(two_sided, skewed)) == pytest.approx(0.0, abs=1e-12)
    expected = (math.sqrt(3) - 1 + 1 + 1 / math.sqrt(3) + 2 * (1 - 1 / math.sqrt(3))) / 4
    assert float(wasserstein_distance(two_sided, skewed)) == pytest.approx(expected, rel=1e-12)


def test_wasserstein_refuses_an_empty_sample():
    with pytest.raises(DataError, match="one is empty"):
        wasserstein_distance(torch.zeros(0), torch.zeros(3))
