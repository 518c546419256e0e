"""mlmd: machine-learned velocity updates that propagate molecular dynamics.

An MD step is a kick and a drift; MLMD changes only where the kick comes from. This module imports nothing heavy, so
that the command line answers at once; import the subpackages you need.
"""

__version__ = "0.1.0"
