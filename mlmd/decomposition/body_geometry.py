"""Which frame follows a molecule of more than two atoms: Eckart's, or that of a linear molecule."""

from mlmd.decomposition.base import Positions
from mlmd.decomposition.body_frame import BodyGeometry
from mlmd.decomposition.eckart import EckartGeometry
from mlmd.decomposition.linear_molecule import LinearGeometry
from mlmd.errors import ConfigError


def body_geometry(masses_u: tuple[float, ...], dt_fs: float, reference_A: Positions, n_modes: int) -> BodyGeometry:
    """The frame of a molecule with as many vibrations: 3N - 6 if bent, 3N - 5 if linear.

    Raises:
        ConfigError: neither.
    """
    n_atoms = len(masses_u)
    kinds = {3 * n_atoms - 5: LinearGeometry, 3 * n_atoms - 6: EckartGeometry}
    if n_modes not in kinds or n_modes < 1:
        raise ConfigError(f"{n_atoms} atoms have {' or '.join(map(str, sorted(kinds)))} vibrations, not {n_modes}")
    return kinds[n_modes](masses_u, dt_fs, reference_A)
