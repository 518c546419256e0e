"""Bond lengths and their distribution."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mlmd.errors import DataError


def bond_vectors(of_atoms: Tensor) -> Tensor:
    """Second atom minus first, for the positions or velocities of diatomics.

    Args:
        of_atoms: [..., 2, xyz], any unit.

    Returns:
        [..., xyz], the same unit.

    Raises:
        DataError: not two atoms.
    """
    if of_atoms.shape[-2:] != (2, 3):
        raise DataError(f"a bond needs [..., 2 atoms, 3 xyz] and got {tuple(of_atoms.shape)}; give a diatomic")
    return of_atoms[..., 1, :] - of_atoms[..., 0, :]


def bond_lengths(positions: Tensor) -> Tensor:
    """Bond length |r_2 - r_1| of a diatomic.

    Args:
        positions: [replica, time, 2, xyz], A.

    Returns:
        [replica, time], A.

    Raises:
        DataError: not two atoms.

    >>> float(bond_lengths(torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]]]])))
    5.0
    """
    lengths: Tensor = torch.linalg.vector_norm(bond_vectors(positions), dim=-1)
    return lengths


def pair_lengths(positions: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Distances |r_j - r_i| of pairs of atoms.

    Args:
        positions: [..., atom, xyz], A.
        pairs: the atoms i, j of each.

    Returns:
        [..., pair], A.
    """
    lengths: Tensor = torch.linalg.vector_norm(_between(positions, pairs), dim=-1)
    return lengths


def pair_rates(positions: Tensor, velocities: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Rates of the distances of pairs of atoms, (r_j - r_i) . (v_j - v_i) / |r_j - r_i|.

    Args:
        positions: [..., atom, xyz], A.
        velocities: on-step velocities, same shape, A/fs.
        pairs: the atoms i, j of each.

    Returns:
        [..., pair], A/fs.
    """
    apart = _between(positions, pairs)
    along = (apart * _between(velocities, pairs)).sum(dim=-1)
    rates: Tensor = along / torch.linalg.vector_norm(apart, dim=-1)
    return rates


def _between(of_atoms: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    return of_atoms[..., second, :] - of_atoms[..., first, :]


def bond_mean_error_A(lengths: Tensor, lengths_ref: Tensor) -> Tensor:
    """|<r> - <r>_ref| over all replicas and frames together.

    Args:
        lengths: bond lengths, any shape, A.
        lengths_ref: bond lengths of the reference, any shape, A.
    """
    return (lengths.mean() - lengths_ref.mean()).abs()


def bond_std_error_A(lengths: Tensor, lengths_ref: Tensor) -> Tensor:
    """|std(r) - std(r)_ref| over all replicas and frames together.

    Args:
        lengths: bond lengths, any shape, A.
        lengths_ref: bond lengths of the reference, any shape, A.
    """
    return (lengths.std(correction=0) - lengths_ref.std(correction=0)).abs()


def wasserstein_distance(first: Tensor, second: Tensor) -> Tensor:
    """Distance between two samples of one number, W_1 = integral |F(x) - G(x)| dx of their distribution functions.

    A shift by d costs d, in the samples' own unit; zero only for equal distributions, where the mean and the standard
    deviation may agree by chance. Vallender, Theory Probab. Appl. 18, 784 (1974).

    Args:
        first: sample, any shape, any unit.
        second: sample, any shape and size, same unit.

    Raises:
        DataError: a sample is empty.

    >>> float(wasserstein_distance(torch.tensor([0.0, 1.0]), torch.tensor([3.0, 2.0])))
    2.0
    """
    if first.numel() == 0 or second.numel() == 0:
        raise DataError("a distance between distributions needs two samples and one is empty; give one number at least")
    x, y = first.flatten().sort().values, second.flatten().sort().values
    if x.numel() == y.numel():
        # Equal weights: the optimal transport pairs the sorted samples, without the merged grid.
        return (x - y).abs().mean()
    grid = torch.cat([x, y]).sort().values
    # Dividing two integers would give torch's default float32.
    F = torch.searchsorted(x, grid[:-1], right=True).to(grid.dtype) / x.numel()
    G = torch.searchsorted(y, grid[:-1], right=True).to(grid.dtype) / y.numel()
    return ((F - G).abs() * grid.diff()).sum()
