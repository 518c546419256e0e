"""What is simulated: the diatomic table, molecules at their minima, and initial states per regime."""

from mlmd.systems.diatomic import custom_diatomic, diatomic
from mlmd.systems.initial import Regime, RotatingRegime, ThermalRegime, VibratingRegime
from mlmd.systems.minimum import method_values
from mlmd.systems.modes import NormalModes
from mlmd.systems.molecule import molecule
from mlmd.systems.system import System
from mlmd.systems.table import DiatomicRecord, diatomic_record, diatomic_table

__all__ = [
    "DiatomicRecord",
    "NormalModes",
    "Regime",
    "RotatingRegime",
    "System",
    "ThermalRegime",
    "VibratingRegime",
    "custom_diatomic",
    "diatomic",
    "diatomic_record",
    "diatomic_table",
    "method_values",
    "molecule",
]
