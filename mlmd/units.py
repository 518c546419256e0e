"""Units of the project and the constants that relate them (CODATA 2018).

Lengths are in angstrom, times in fs, masses in u, energies in eV, temperatures in K, velocities in A/fs and forces in
eV/A. ``ACCELERATION`` converts a force per mass to an acceleration: a = ACCELERATION * F / m. A kinetic energy in eV is
therefore 0.5 * m * v**2 / ACCELERATION.
"""

ACCELERATION = 9.648533212e-3
"""Acceleration (A/fs^2) of 1 u under 1 eV/A."""

BOLTZMANN_EV_PER_K = 8.617333262e-5
"""Boltzmann constant, eV/K."""

SPEED_OF_LIGHT_CM_PER_FS = 2.99792458e-5
"""Speed of light, cm/fs; a spectral line at nu cm^-1 has the frequency nu * c in 1/fs."""

HARTREE_EV = 27.211386245988
"""Atomic unit of energy, eV."""

BOHR_A = 0.529177210903
"""Atomic unit of length, A."""

FS_PER_PS = 1000.0
MEV_PER_EV = 1000.0
