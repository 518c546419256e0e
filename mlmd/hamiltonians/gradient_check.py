"""Checks that the forces of a method are minus the gradient of what it gives as the energy."""

import numpy as np

from mlmd.errors import CalculatorError
from mlmd.hamiltonians.method import Array, Method

DISPLACEMENT_A = 0.05
"""Root mean square displacement of an atom from the minimum, where forces are small, to where they are compared, A."""

STEP_A = 2e-3
"""Half the distance of the two energies of a central difference, A per atom."""

TOLERANCE = 0.02
"""Largest difference of force and gradient, as part of the force."""

LEAST_EV_PER_A = 0.02
"""Below this size of the force, eV/A, the difference is held against this size."""


def require_gradient(method: Method, symbols: tuple[str, ...], positions: Array) -> None:
    """Compare forces with energies beside the minimum: three geometries, along one direction.

    Args:
        method: level of theory.
        symbols: element symbols.
        positions: the minimum [atom, xyz], A.

    Raises:
        CalculatorError: they differ, or a calculation fails.
    """
    direction: Array = np.asarray(np.random.default_rng(0).normal(size=positions.shape))
    direction -= direction.mean(axis=0)
    direction /= np.linalg.norm(direction) / np.sqrt(len(positions))
    point = method.single_point(symbols)
    at = positions + DISPLACEMENT_A * direction
    force = float((point(at)[1] * direction).sum())
    above, below = (point(at + step * direction)[0] for step in (STEP_A, -STEP_A))
    gradient = (below - above) / (2.0 * STEP_A)
    if abs(force - gradient) > TOLERANCE * max(abs(force), abs(gradient), LEAST_EV_PER_A):
        raise CalculatorError(
            f"the forces of {method.name} are not minus the gradient of its energy: {force:.5g} instead of "
            f"{gradient:.5g} eV/A along one direction beside the minimum; converge it further, or let it give "
            "'free_energy' if its occupations are smeared"
        )
