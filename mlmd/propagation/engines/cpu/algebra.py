"""Arithmetic of vectors and matrices whose every element is one register of replicas.

A vector is a tuple of three, a matrix a tuple of its three rows.
"""

from numba import njit

from mlmd.decomposition.rotation import N_ITERATIONS, N_SCALED_ITERATIONS
from mlmd.propagation.engines.cpu.lanes import lanes, load, spread_like, square_root, store


@njit
def read_row(rows, row, like):
    """One row of a tile."""
    return load(rows, row * lanes(like), like)


@njit
def write_row(rows, row, value):
    """Put one row of a tile."""
    store(rows, row * lanes(value), value)


@njit
def copy_rows(rows, source, target, n_rows, like):
    """Rows to other rows."""
    for row in range(n_rows):
        write_row(rows, target + row, read_row(rows, source + row, like))


@njit
def read(rows, row, like):
    """A vector from three rows."""
    return read_row(rows, row, like), read_row(rows, row + 1, like), read_row(rows, row + 2, like)


@njit
def write(rows, row, vector):
    """A vector to three rows."""
    write_row(rows, row, vector[0])
    write_row(rows, row + 1, vector[1])
    write_row(rows, row + 2, vector[2])


@njit
def dot(a, b):
    """A . b."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit
def cross(a, b):
    """A × b."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@njit
def plus(a, b, factor):
    """A + factor b."""
    return a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2]


@njit
def times(a, factor):
    """A factor."""
    return a[0] * factor, a[1] * factor, a[2] * factor


@njit
def norm(a):
    """|a|."""
    return square_root(dot(a, a))


@njit
def zeros(like):
    """A vector of zeros."""
    zero = spread_like(0.0, like)
    return zero, zero, zero


@njit
def add_outer(matrix, a, b):
    """M + a b^T."""
    return plus(matrix[0], b, a[0]), plus(matrix[1], b, a[1]), plus(matrix[2], b, a[2])


@njit
def apply(matrix, a):
    """M a."""
    return dot(matrix[0], a), dot(matrix[1], a), dot(matrix[2], a)


@njit
def apply_transposed(matrix, a):
    """M^T a."""
    return plus(plus(times(matrix[0], a[0]), matrix[1], a[1]), matrix[2], a[2])


@njit
def cofactors(matrix):
    """`mlmd.decomposition.rotation.cofactors`."""
    return cross(matrix[1], matrix[2]), cross(matrix[2], matrix[0]), cross(matrix[0], matrix[1])


@njit
def solve(matrix, a):
    """M^-1 a."""
    cofactor = cofactors(matrix)
    return times(apply_transposed(cofactor, a), 1.0 / dot(matrix[0], cofactor[0]))


@njit
def trace_less(matrix):
    """tr(M) 1 - M."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = matrix
    return (yy + zz, -1.0 * xy, -1.0 * xz), (-1.0 * yx, xx + zz, -1.0 * yz), (-1.0 * zx, -1.0 * zy, xx + yy)


@njit
def _squares(matrix):
    return dot(matrix[0], matrix[0]) + dot(matrix[1], matrix[1]) + dot(matrix[2], matrix[2])


@njit
def _weighted_sum(a, of_a, b, of_b):
    return (
        plus(times(a[0], of_a), b[0], of_b),
        plus(times(a[1], of_a), b[1], of_b),
        plus(times(a[2], of_a), b[2], of_b),
    )


@njit
def _scaled_newton(x):
    cofactor = cofactors(x)
    determinant = dot(x[0], cofactor[0])
    gain = square_root(square_root(_squares(cofactor) / (determinant * determinant * _squares(x))))
    return _weighted_sum(x, 0.5 * gain, cofactor, 0.5 / (gain * determinant))


@njit
def _newton(x):
    cofactor = cofactors(x)
    return _weighted_sum(x, 0.5, cofactor, 0.5 / dot(x[0], cofactor[0]))


@njit
def _completed(covariance):
    return _weighted_sum(covariance, 1.0, cofactors(covariance), 1.0 / square_root(_squares(covariance)))


@njit
def nearest_rotations(first, second):
    """`mlmd.decomposition.rotation.nearest_rotation` of two, side by side: each waits for its own last number."""
    x, y = _completed(first), _completed(second)
    for _ in range(N_SCALED_ITERATIONS):
        x, y = _scaled_newton(x), _scaled_newton(y)
    for _ in range(N_ITERATIONS - N_SCALED_ITERATIONS):
        x, y = _newton(x), _newton(y)
    return x, y
