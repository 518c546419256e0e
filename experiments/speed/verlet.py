"""Velocity Verlet of a Morse diatomic written down once more, in NumPy and compiled: independent of mlmd's code."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Morse:
    """V(r) = D (1 - exp(-a (r - r_e)))^2 between two atoms; A, fs, u, eV.

    Attributes:
        depth_eV: D.
        a_per_A: a.
        r_e_A: r_e.
        masses_u: both masses.
        dt_fs: time step.
        acceleration: A/fs^2 of 1 u under 1 eV/A.
    """

    depth_eV: float
    a_per_A: float
    r_e_A: float
    masses_u: tuple[float, float]
    dt_fs: float
    acceleration: float


def numpy_verlet(morse: Morse, positions: Array, velocities: Array, n_steps: int) -> tuple[Array, Array]:
    """Positions and on-step velocities [replica, 2, xyz] after ``n_steps`` of velocity Verlet in NumPy."""
    half = 0.5 * morse.dt_fs * morse.acceleration / np.array(morse.masses_u)[:, None]
    positions, velocities = positions.copy(), velocities.copy()
    forces = _forces(morse, positions)
    for _ in range(n_steps):
        velocities += half * forces
        positions += morse.dt_fs * velocities
        forces = _forces(morse, positions)
        velocities += half * forces
    return positions, velocities


def _forces(morse: Morse, positions: Array) -> Array:
    bond = positions[:, 1] - positions[:, 0]
    length = np.sqrt(np.einsum("ri,ri->r", bond, bond))
    decay = np.exp(-morse.a_per_A * (length - morse.r_e_A))
    slope = 2.0 * morse.a_per_A * morse.depth_eV * decay * (1.0 - decay)
    on_second = bond * (-slope / length)[:, None]
    return np.stack((-on_second, on_second), axis=1)


def compiled_verlet() -> Callable[[Morse, Array, Array, int], tuple[Array, Array]]:
    """The same as one loop compiled by numba.

    Raises:
        ImportError: numba is not installed.
    """
    from numba import njit

    @njit
    def propagate(r, v, n_steps, depth, a, r_e, mass_1, mass_2, dt, acceleration):  # type: ignore[no-untyped-def]  # its types are Numba's
        bond, force = np.empty(3), np.empty(3)
        for replica in range(r.shape[0]):
            for step in range(n_steps + 1):
                square = 0.0
                for x in range(3):
                    bond[x] = r[replica, 1, x] - r[replica, 0, x]
                    square += bond[x] * bond[x]
                length = math.sqrt(square)
                decay = math.exp(-a * (length - r_e))
                pull = -2.0 * a * depth * decay * (1.0 - decay) / length
                # The second half kick of one step and the first of the next; half of it at either end.
                share = 0.5 if step == 0 or step == n_steps else 1.0
                for x in range(3):
                    force[x] = share * dt * acceleration * pull * bond[x]
                    v[replica, 0, x] -= force[x] / mass_1
                    v[replica, 1, x] += force[x] / mass_2
                    if step < n_steps:
                        r[replica, 0, x] += dt * v[replica, 0, x]
                        r[replica, 1, x] += dt * v[replica, 1, x]

    def verlet(morse: Morse, positions: Array, velocities: Array, n_steps: int) -> tuple[Array, Array]:
        positions, velocities = positions.copy(), velocities.copy()
        constants = (morse.depth_eV, morse.a_per_A, morse.r_e_A, *morse.masses_u, morse.dt_fs, morse.acceleration)
        propagate(positions, velocities, n_steps, *constants)
        return positions, velocities

    return verlet
