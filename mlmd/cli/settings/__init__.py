"""Typed settings of the commands: made once from the composed configuration, with every check of a value in them.

Each field carries its meaning, unit and range; ``--help`` and the reference page of the documentation are made from it.
"""

from mlmd.cli.settings.base import Settings
from mlmd.cli.settings.component import Component
from mlmd.cli.settings.on_the_fly import OnTheFlySettings
from mlmd.cli.settings.simulate import SimulateSettings
from mlmd.cli.settings.train import TrainSettings

__all__ = ["Component", "OnTheFlySettings", "Settings", "SimulateSettings", "TrainSettings"]
