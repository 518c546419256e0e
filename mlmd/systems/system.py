"""A system: the atoms, the Hamiltonian that moves them and the time step, checked once."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.files import require_plain_name
from mlmd.hamiltonians import Hamiltonian
from mlmd.systems.modes import NormalModes

MIN_STEPS_PER_PERIOD = 10
"""Below this, Verlet's own energy oscillation (omega dt)^2 / 8 passes 5 %; at period / pi it is unstable."""


@dataclass(frozen=True)
class System:
    """What is simulated.

    Attributes:
        name: name of the molecule.
        symbols: element symbols, one an atom.
        masses_u: atomic masses, u.
        hamiltonian: where true forces come from.
        dt_fs: time step, fs.
        period_fs: period of the fastest vibration, fs.
        equilibrium_A: positions at the minimum, [atom][xyz], A.
        modes: vibrations about the minimum; None for an analytic bond, whose vibration is the bond.

    Raises:
        ConfigError: the name cannot be a part of a path, a mass or the time step is not positive, or the step is too
            coarse for the period.
    """

    name: str
    symbols: tuple[str, ...]
    masses_u: tuple[float, ...]
    hamiltonian: Hamiltonian
    dt_fs: float
    period_fs: float
    equilibrium_A: tuple[tuple[float, float, float], ...]
    modes: NormalModes | None = None

    def __post_init__(self) -> None:
        require_plain_name(self.name, what="system.name")
        if len(self.symbols) != len(self.masses_u):
            raise ConfigError(f"system {self.name}: {len(self.symbols)} symbols but {len(self.masses_u)} masses")
        for symbol, mass in zip(self.symbols, self.masses_u, strict=True):
            if not (mass > 0 and math.isfinite(mass)):
                raise ConfigError(f"system {self.name}: the mass of {symbol} is {mass} u, it must be positive")
        if not (self.dt_fs > 0 and math.isfinite(self.dt_fs)):
            raise ConfigError(f"system.dt_fs = {self.dt_fs} must be positive")
        limit_fs = self.period_fs / MIN_STEPS_PER_PERIOD
        if self.dt_fs > limit_fs:
            raise ConfigError(
                f"system.dt_fs = {self.dt_fs} is too coarse for {self.name} (period {self.period_fs:.2f} fs): "
                f"the limit is {limit_fs:.3f} fs, a tenth of a period"
            )

    @property
    def slowest_period_fs(self) -> float:
        """Period of the slowest vibration, fs."""
        return self.period_fs if self.modes is None else self.modes.period_fs(0)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.symbols)

    def masses(self, device: torch.device | str = "cpu") -> Tensor:
        """Masses as float64 [atom], u."""
        return torch.tensor(self.masses_u, dtype=torch.float64, device=device)
