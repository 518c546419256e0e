"""The domain of decompositions that follow a reference geometry: how far a molecule may depart from it."""

import torch
from torch import Tensor

from mlmd.decomposition.base import Decomposition
from mlmd.decomposition.body_frame import BodyFrame, BodyGeometry
from mlmd.errors import PhysicsError

LARGEST_STRAIN = 0.5
"""`BodyGeometry.strain` of a molecule that is another one: water is straight at 0.6, HCN is HNC at 0.9; vibrations at
room temperature stay below 0.15."""


class NearReference(Decomposition[BodyFrame]):
    """A decomposition in a frame that follows a reference geometry, and holds in its surroundings only.

    Attributes:
        geometry: the frame and its reference.
    """

    geometry: BodyGeometry

    def departed(self, positions: Tensor) -> Tensor:
        """Replicas that have left the surroundings of the reference, or are not numbers, [replica]."""
        return ~(self.geometry.strain(positions) <= LARGEST_STRAIN)

    def check_domain(self, positions: Tensor, *, name: str, symbols: tuple[str, ...], step: int) -> None:
        """Refuse to continue where a replica has left the surroundings of the reference.

        Args:
            positions: [replica, atom, xyz], A.
            name: of the molecule.
            symbols: element symbols.
            step: MD step, for the message.

        Raises:
            PhysicsError: with the interatomic distance that has changed most.
        """
        strain = self.geometry.strain(positions)
        worst = int(torch.nan_to_num(strain, nan=torch.inf).argmax())
        if float(strain[worst]) <= LARGEST_STRAIN:
            return
        distances, expected = (torch.cdist(x, x) for x in (positions[worst], self.geometry.reference.to(positions)))
        change = torch.nan_to_num((distances / expected).log().abs(), nan=torch.inf).triu(1)
        first, second = divmod(int(change.argmax()), len(symbols))
        raise PhysicsError(
            f"{name} has left the region where its frame and normal modes hold (it falls apart, straightens or "
            f"rearranges): at step {step} atoms {first} ({symbols[first]}) and {second} ({symbols[second]}) of replica "
            f"{worst} are {float(distances[first, second]):.2f} A apart, {float(expected[first, second]):.2f} A at "
            "equilibrium; use a lower energy, or Cartesian components (model=3uR0)"
        )
