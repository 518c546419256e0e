"""The compiled form of each decomposition and the constants that its kernels need."""

from typing import Any

import numpy as np

from mlmd.decomposition import (
    Decomposition,
    DiatomicVibration,
    LabCartesian,
    MolecularFrameCartesian,
    MolecularVibration,
)
from mlmd.decomposition.eckart import EckartGeometry
from mlmd.decomposition.linear_molecule import LinearGeometry
from mlmd.errors import ConfigError
from mlmd.propagation.engines.cpu import bonds, molecules
from mlmd.propagation.engines.cpu.bonds import Bond, Lab, TurningBond
from mlmd.propagation.engines.cpu.molecules import Bent, Linear

Geometry = Lab | TurningBond | Bond | Bent | Linear


def has_compiled_form(decomposition: Decomposition[Any]) -> bool:
    """Whether the kernels know the decomposition."""
    # A class that derives from one of these may do something else.
    return type(decomposition) in (LabCartesian, MolecularFrameCartesian, DiatomicVibration, MolecularVibration)


def compiled_geometry(decomposition: Decomposition[Any]) -> Geometry:
    """What the kernels need of a decomposition.

    Raises:
        ConfigError: it has no compiled form.
    """
    if type(decomposition) is LabCartesian:
        return Lab(np.array(decomposition.weights))
    if type(decomposition) is MolecularFrameCartesian:
        return TurningBond(float(decomposition.dt_fs))
    if isinstance(decomposition, DiatomicVibration):
        return Bond(float(decomposition.dt_fs), *map(float, decomposition.shares))
    if isinstance(decomposition, MolecularVibration):
        return _molecule(decomposition)
    raise ConfigError(f"engine=numba has no compiled form of {type(decomposition).__name__}; use engine=eager")


def n_frame_rows(geometry: Geometry, n_atoms: int) -> int:
    """Rows of a tile that the frame takes."""
    return molecules.n_frame_rows(n_atoms) if isinstance(geometry, (Bent, Linear)) else bonds.N_FRAME_ROWS


def _molecule(decomposition: MolecularVibration) -> Bent | Linear:
    body, shape = decomposition.geometry, (decomposition.n_components, decomposition.n_atoms, 3)
    masses = body.masses.squeeze(-1).numpy().copy()
    common = (
        float(decomposition.dt_fs),
        masses,
        masses / masses.sum(),
        body.reference.numpy().copy(),
        decomposition.weighted.reshape(shape).numpy().copy(),
        decomposition.shares.reshape(shape).numpy().copy(),
    )
    if isinstance(body, LinearGeometry):
        return Linear(*common, body.least_momentum)
    assert isinstance(body, EckartGeometry)  # there is no third kind
    return Bent(*common, body.root_inertia.numpy().copy())
