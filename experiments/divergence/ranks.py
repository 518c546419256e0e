"""Rank correlation and how often chance alone gives as much."""

from collections.abc import Sequence

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

N_PERMUTATIONS = 10_000


def ranks(values: Sequence[float]) -> Array:
    """Ranks from 0, ties share their mean rank; infinity is the greatest.

    >>> ranks([3.0, 1.0, 3.0, float("inf")]).tolist()
    [1.5, 0.0, 1.5, 3.0]
    """
    _, inverse, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    shared: Array = (first + (counts - 1) / 2)[inverse]
    return shared


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three pairs, or where one side is all ties.

    >>> round(spearman([1.0, 2.0, 3.0], [1.0, 8.0, float("inf")]), 12)
    1.0
    """
    pair = _centred(x), _centred(y)
    if len(x) < 3 or not (pair[0].any() and pair[1].any()):
        return None
    return float(_correlation(*pair))


def permutation_p(x: Sequence[float], y: Sequence[float], *, seed: int = 0) -> float | None:
    """Two-sided p-value of `spearman` by permutations of one side; None where there is no correlation."""
    found = spearman(x, y)
    if found is None:
        return None
    first, second = _centred(x), _centred(y)
    shuffled = np.random.default_rng(seed).permuted(np.tile(second, (N_PERMUTATIONS, 1)), axis=1)
    chance = shuffled @ first / np.sqrt(first @ first * (second @ second))
    n_as_far = int((np.abs(chance) >= abs(found) - 1e-9).sum())
    return (1 + n_as_far) / (1 + N_PERMUTATIONS)


def _centred(values: Sequence[float]) -> Array:
    ranked = ranks(values)
    return ranked - ranked.mean() if len(ranked) else ranked


def _correlation(x: Array, y: Array) -> float:
    return float(x @ y / np.sqrt(x @ x * (y @ y)))
