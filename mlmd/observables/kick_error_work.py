"""The work of kick errors: the mean effect of one-step errors on the energy, known before any rollout.

A kick that is wrong by e_n changes the kinetic energy by w_n = sum_i m_i v_i . e_i to first order. Errors without a
preferred phase cancel over a period; those that push along the velocity heat or cool a rollout. The measure is our own.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mlmd.errors import DataError
from mlmd.observables.energy import kinetic_energy
from mlmd.observables.errors import require_same_shape
from mlmd.units import ACCELERATION


class WorkSums(NamedTuple):
    """What the measure is made of, float64 scalars.

    Attributes:
        work: sum over replicas of the mean work a step, eV.
        work_square: sum of its squares, eV^2.
        kinetic: sum over replicas of the mean kinetic energy, eV.
        n_replicas: number of replicas.
    """

    work: Tensor
    work_square: Tensor
    kinetic: Tensor
    n_replicas: Tensor


def work_sums(pred: Tensor, true: Tensor, velocities: Tensor, masses: Tensor) -> WorkSums:
    """The sums behind `work_error_per_period`.

    Args:
        pred: predicted velocities v_{n+1/2} [replica, time, atom, xyz], A/fs.
        true: true ones, same shape.
        velocities: on-step velocities v_n, same shape.
        masses: [atom], u.

    Raises:
        DataError: the shapes differ, or there are no frames.
    """
    require_same_shape(pred, true)
    require_same_shape(velocities, true, names=("velocities", "true"))
    if true.numel() == 0:
        raise DataError("the work of kick errors needs at least one replica and one frame")
    v, error, m = velocities.double(), pred.double() - true.double(), masses.double()
    work = torch.einsum("rtai,rtai,a->rt", v, error, m).mean(dim=1) / ACCELERATION
    kinetic = kinetic_energy(v, m).mean(dim=1)
    return WorkSums(work.sum(), work.square().sum(), kinetic.sum(), work.new_tensor(float(len(work))))


def work_per_period(sums: WorkSums, *, steps_per_period: float) -> tuple[Tensor, Tensor]:
    """Work of the kick errors over a period in units of the mean kinetic energy: of all replicas, and its spread.

    Args:
        sums: of `work_sums`, added up.
        steps_per_period: MD steps in a period.

    Returns:
        |mean over replicas|, and the root mean square over replicas, of each replica's own mean; eV/eV.
    """
    scale = steps_per_period / (sums.kinetic / sums.n_replicas)
    return (sums.work / sums.n_replicas).abs() * scale, (sums.work_square / sums.n_replicas).sqrt() * scale


def work_error_per_period(
    pred: Tensor, true: Tensor, velocities: Tensor, *, masses: Tensor, steps_per_period: float
) -> tuple[Tensor, Tensor]:
    """Both numbers of `work_per_period` from velocities, see `work_sums` for the arguments.

    A rate of heating that is proportional to the velocity, e = a v, does a work of 2 a KE a step:

    >>> v = torch.tensor([[[[0.1, 0.0, 0.0]]]], dtype=torch.float64)
    >>> of_all, spread = work_error_per_period(1.01 * v, v, v, masses=torch.tensor([2.0]), steps_per_period=20.0)
    >>> round(float(of_all), 9), round(float(spread), 9)
    (0.4, 0.4)
    """
    return work_per_period(work_sums(pred, true, velocities, masses), steps_per_period=steps_per_period)
