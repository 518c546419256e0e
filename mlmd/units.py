"""Units of the project and the constants that join them (CODATA 2018).

Length angstrom, time fs, mass u, energy eV, temperature K; velocity A/fs, force eV/A. A force becomes an acceleration
through ``ACCELERATION``, so a kinetic energy in eV is ``0.5 * m * v**2 / ACCELERATION``.
"""

ACCELERATION = 9.648533212e-3
"""Acceleration (A/fs^2) of 1 u under 1 eV/A."""

BOLTZMANN_EV_PER_K = 8.617333262e-5
"""Boltzmann constant, eV/K."""

SPEED_OF_LIGHT_CM_PER_FS = 2.99792458e-5
"""Speed of light, cm/fs: a line at nu cm^-1 has the frequency nu * c in 1/fs."""

HARTREE_EV = 27.211386245988
"""Atomic unit of energy, eV."""

BOHR_A = 0.529177210903
"""Atomic unit of length, A."""

FS_PER_PS = 1000.0
MEV_PER_EV = 1000.0
