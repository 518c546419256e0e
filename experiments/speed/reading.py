"""Reading an array that stays in cache, as fast as one core can."""

import numpy as np
from numba import njit


@njit(fastmath=True)  # lets the compiler add in many lanes at once
def read_over_and_over(values: np.ndarray, n_passes: int) -> float:
    """Sum of ``values``, so many times; the sums decay into one number, so that no pass can be left out."""
    total = np.float32(0.0)
    for _ in range(n_passes):
        partial = np.float32(0.0)
        for i in range(values.size):
            partial += values[i]
        total = total * np.float32(0.5) + partial
    return float(total)
