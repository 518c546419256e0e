"""Which numbers the network reads and says: Cartesian components, or translation, rotation and vibration."""

from mlmd.decomposition.base import Decomposition, Frame
from mlmd.decomposition.cartesian import LabCartesian, MolecularFrameCartesian
from mlmd.decomposition.vibration import DiatomicVibration

__all__ = ["Decomposition", "DiatomicVibration", "Frame", "LabCartesian", "MolecularFrameCartesian"]
