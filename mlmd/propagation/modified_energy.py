"""The modified energy, which velocity Verlet conserves.

Velocity Verlet does not keep H but, to fourth order in dt, the modified energy

    H~ = H + dt^2 (v.V''v / 12 - F.F / (24 m)).

V and F are those of the force call of the step. The curvature v.V''v = -v.dF/dt takes the backward difference of the
last kicks, F = m u / dt, and needs no further call.
"""

import torch
from torch import Tensor

BACKWARD_DIFFERENCE = (11.0 / 6.0, -3.0, 1.5, -1.0 / 3.0)
"""Third-order backward difference: dt du/dt at step n from u_n, u_{n-1}, u_{n-2}, u_{n-3}."""


def modified_energy(velocities: Tensor, energy: Tensor, kicks: list[Tensor], masses: Tensor) -> Tensor:
    """H~ of a step.

    Args:
        velocities: on-step velocities v_n, [replica, atom, xyz], A/fs.
        energy: potential energy at r_n, [replica], eV.
        kicks: u_n, u_{n-1}, u_{n-2}, u_{n-3}, each [replica, atom, xyz], A/fs.
        masses: [atom, 1], eV fs^2 / A^2 (masses in u over `mlmd.units.ACCELERATION`).

    Returns:
        H~, [replica], eV.
    """
    # In units of kicks: dt^2 v.V''v = -m v.change and dt^2 F.F / m = m u.u. Few calls, since each costs what a step of
    # a compiled engine does.
    newest, *earlier = kicks
    minus_twelfth_of_change = newest * (-BACKWARD_DIFFERENCE[0] / 12.0)
    for weight, kick in zip(BACKWARD_DIFFERENCE[1:], earlier, strict=True):
        minus_twelfth_of_change.add_(kick, alpha=-weight / 12.0)
    per_atom = velocities * torch.add(minus_twelfth_of_change, velocities, alpha=0.5)
    per_atom.addcmul_(newest, newest, value=-1.0 / 24.0)
    return energy + (masses * per_atom).sum(dim=(-2, -1))
