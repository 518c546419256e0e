"""Model inputs and outputs: Cartesian components, or translation, rotation and vibration."""

from mlmd.decomposition.base import Decomposition, Frame, Molecule
from mlmd.decomposition.body_cartesian import BodyCartesian
from mlmd.decomposition.body_geometry import body_geometry
from mlmd.decomposition.cartesian import LabCartesian, MolecularFrameCartesian
from mlmd.decomposition.domain import NearReference
from mlmd.decomposition.internal import internal_velocity
from mlmd.decomposition.normal_modes import MolecularVibration
from mlmd.decomposition.vibration import DiatomicVibration

__all__ = [
    "BodyCartesian",
    "Decomposition",
    "DiatomicVibration",
    "Frame",
    "LabCartesian",
    "MolecularFrameCartesian",
    "MolecularVibration",
    "Molecule",
    "NearReference",
    "body_geometry",
    "internal_velocity",
]
