"""Relaxes a start geometry to the minimum, with the forces of the later run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ase
import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.data import covalent_radii

from mlmd.errors import CalculatorError, PhysicsError
from mlmd.hamiltonians import SinglePoint

if TYPE_CHECKING:
    from ase.optimize import BFGS

Array = np.ndarray[Any, Any]

MAX_FORCE_EV_PER_A = 1e-4
"""Largest force on an atom of a relaxed geometry; at 30 eV/A^2 its bond is right to 3e-6 A."""

MAX_STEPS = 500
"""Ethanol takes some thirty; a molecule that is not done after these is sliding off to somewhere else."""

MAX_MOVE_A = 0.1
"""Largest move of an atom in one step."""

BOND_REACH = 2.0
"""Atoms farther apart than this multiple of their covalent radii's sum are not bonded."""


def relax(single_point: SinglePoint, positions: Array, *, symbols: tuple[str, ...], name: str) -> tuple[float, Array]:
    """Energy (eV) and positions [atom, xyz] (A) of the minimum below a geometry, by ASE's BFGS.

    Net force and torque are taken out of the forces first: those of a density functional on a grid do not vanish.

    Args:
        single_point: energy and forces of one geometry.
        positions: where to start, [atom, xyz], A.
        symbols: element symbols.
        name: of the molecule, for messages.

    Raises:
        CalculatorError: no minimum is found within ``MAX_STEPS`` steps, or the calculator fails.
        PhysicsError: the molecule falls apart on its way.
    """
    from ase.optimize import BFGS  # takes a second, which runs on analytic bonds need not wait for

    atoms = ase.Atoms(symbols, positions=positions)
    atoms.calc = _AseForces(single_point)
    whole = n_fragments(symbols, positions)
    optimizer = BFGS(atoms, logfile=None, maxstep=MAX_MOVE_A)
    for converged in _steps(optimizer, name):
        if n_fragments(symbols, atoms.positions) > whole:
            raise PhysicsError(
                f"{name} falls apart while it is relaxed (step {optimizer.nsteps}): its start geometry is far from a "
                "minimum, or the Hamiltonian does not bind it; start from another structure or choose another method"
            )
        if converged:
            return float(atoms.get_potential_energy()), np.array(atoms.positions)
    largest = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    raise CalculatorError(
        f"{name} is not relaxed after {MAX_STEPS} steps (largest force {largest:.2g} eV/A, wanted "
        f"{MAX_FORCE_EV_PER_A:g}): tighten the convergence of the Hamiltonian or start from another structure"
    )


def _steps(optimizer: "BFGS", name: str) -> Iterator[bool]:
    """The steps of an optimizer, each with whether it has converged.

    Raises:
        CalculatorError: forces are so large that no step can be found.
    """
    try:
        yield from optimizer.irun(fmax=MAX_FORCE_EV_PER_A, steps=MAX_STEPS)
    except np.linalg.LinAlgError as error:
        raise CalculatorError(
            f"{name} is not relaxed (step {optimizer.nsteps}): its forces are too large to find the next geometry; "
            "start from another structure or choose another method"
        ) from error


def rigid_motions(positions: Array, weights: Array) -> Array:
    """Translations and rotations as orthonormal columns [3 atoms, 6], or 5 of a linear molecule.

    Args:
        positions: [atom, xyz], A, about the weighted centre or any other.
        weights: one an atom; square roots of masses for mass-weighted coordinates, ones for Cartesian ones.
    """
    centred = positions - positions.mean(axis=0)
    motions = [np.broadcast_to(axis, centred.shape) for axis in np.eye(3)]
    motions += [np.cross(axis, centred) for axis in np.eye(3)]
    columns = np.stack([(weights[:, None] * motion).ravel() for motion in motions], axis=1)
    columns /= np.maximum(np.linalg.norm(columns, axis=0), 1e-12)
    basis, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, sizes > 1e-5 * sizes[0]]


def n_fragments(symbols: tuple[str, ...], positions: Array) -> int:
    """Number of pieces that no bond joins.

    >>> n_fragments(("H", "H", "H"), np.array([[0.0, 0, 0], [0.8, 0, 0], [4.0, 0, 0]]))
    2
    """
    radii = covalent_radii[ase.Atoms(symbols).numbers]
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    reached = distances < BOND_REACH * (radii[:, None] + radii[None, :])
    for _ in range(len(symbols).bit_length()):
        reached = reached @ reached  # bonds, then two in a row, then four
    return len(np.unique(reached, axis=0))


class _AseForces(Calculator):
    """What ASE's optimiser asks for."""

    def __init__(self, single_point: SinglePoint) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # ASE's
        self.implemented_properties = ["energy", "forces"]
        self.single_point = single_point

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]  # ASE's
        energy, forces = self.single_point(atoms.positions)
        rigid = rigid_motions(atoms.positions, np.ones(len(atoms)))
        internal = forces.ravel() - rigid @ (rigid.T @ forces.ravel())
        self.results = {"energy": energy, "forces": internal.reshape(forces.shape)}
