"""Callbacks of a propagation: called after every Hamiltonian step."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mlmd.state import MDState


@dataclass(frozen=True)
class HamiltonianStep:
    """The results of a Hamiltonian step; they need no further force call.

    Attributes:
        state: positions r_n and velocities v_{n-1/2}.
        kicks: u_n as the force gives it, then the kicks before it, newest first, at most four in all.
        energy: potential energy at r_n, [replica], eV.
        predicted: the kick that would have been learned; None where nothing is learned yet.
    """

    state: MDState
    kicks: list[Tensor]
    energy: Tensor
    predicted: Tensor | None


Listener = Callable[[HamiltonianStep], bool]
"""Called after every Hamiltonian step; True ends the present `Propagator.advance` with that step."""
