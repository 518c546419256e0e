"""MLMD inside ASE: a dynamics class like those of ASE, with a trained predictor between rare force calls.

    from ase import units
    from mlmd.ase import MLMD

    atoms.calc = ...                      # any ASE calculator
    dynamics = MLMD(atoms, 0.5 * units.fs, "outputs/train/HCl/DuR0/<time>", injection=0.01, trajectory="hcl.traj")
    dynamics.run(20_000)

Conversions happen here, at the door, and nowhere else: ASE's unit of time is 10.18 fs, and its momenta are those at the
step, v_n = v_{n-1/2} + u_n / 2, while a predictor reads half-step velocities.
"""

from mlmd.ase.dynamics import MLMD
from mlmd.io.load_predictor import load_predictor

__all__ = ["MLMD", "load_predictor"]
