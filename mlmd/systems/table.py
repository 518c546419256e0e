"""The table of diatomic molecules that ships with the package (sources: ``SOURCES.md`` beside it)."""

import csv
import functools
from dataclasses import dataclass
from importlib import resources

from mlmd.errors import ConfigError, nearest

ALKALI_HALIDES = frozenset({"LiF", "LiCl", "NaCl", "KCl"})
"""Molecules whose measured omega_e x_e is 1.7 to 2.3 times the value of a Morse curve to neutral atoms."""


@dataclass(frozen=True)
class DiatomicRecord:
    """One row of the table; units stand in the names, A is angstrom.

    Attributes:
        isotopes: the two nuclides, e.g. ("1H", "35Cl").
        state: term symbol of the electronic ground state, e.g. "X 3Sigmag-".
        period_fs: harmonic period 1 / (c omega_e).
        source: where omega_e, omega_e x_e, r_e and B_e come from.
    """

    molecule: str
    isotopes: tuple[str, str]
    masses_u: tuple[float, float]
    state: str
    omega_e_cm1: float
    omega_e_x_e_cm1: float
    r_e_A: float
    B_e_cm1: float
    D_e_eV: float
    k_eV_per_A2: float
    period_fs: float
    source: str

    @property
    def symbols(self) -> tuple[str, str]:
        """Element symbols, without the mass numbers.

        >>> diatomic_record("HCl").symbols
        ('H', 'Cl')
        """
        return (self.isotopes[0].lstrip("0123456789"), self.isotopes[1].lstrip("0123456789"))

    @property
    def n_unpaired(self) -> int:
        """Number of unpaired electrons of the ground state, 2S.

        >>> [diatomic_record(name).n_unpaired for name in ("HCl", "NO", "O2")]
        [0, 1, 2]
        """
        return int(self.state.split()[1][0]) - 1


@functools.cache
def diatomic_table() -> dict[str, DiatomicRecord]:
    """All shipped molecules by name.

    >>> len(diatomic_table())
    35
    """
    text = resources.files("mlmd.systems").joinpath("diatomics.csv").read_text(encoding="utf-8")
    return {row["molecule"]: _record(row) for row in csv.DictReader(text.splitlines())}


def diatomic_record(molecule: str) -> DiatomicRecord:
    """The row of one molecule.

    Raises:
        ConfigError: the table has no such molecule; the nearest names are offered.
    """
    table = diatomic_table()
    if molecule not in table:
        raise ConfigError(f"unknown molecule {molecule!r}: {nearest(molecule, table)}")
    return table[molecule]


def _record(row: dict[str, str]) -> DiatomicRecord:
    return DiatomicRecord(
        molecule=row["molecule"],
        isotopes=(row["atom1"], row["atom2"]),
        masses_u=(float(row["mass1_u"]), float(row["mass2_u"])),
        state=row["state"],
        omega_e_cm1=float(row["omega_e_cm1"]),
        omega_e_x_e_cm1=float(row["omega_e_x_e_cm1"]),
        r_e_A=float(row["r_e_angstrom"]),
        B_e_cm1=float(row["B_e_cm1"]),
        D_e_eV=float(row["D_e_eV"]),
        k_eV_per_A2=float(row["k_eV_per_angstrom2"]),
        period_fs=float(row["period_fs"]),
        source=row["source"],
    )
