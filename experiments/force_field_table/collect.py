"""Table S1: the parameters of the diatomics, their sources, and whether rotational constants and lengths agree."""

import math
from pathlib import Path

from experiments.study.results import fill_readme, markdown_table, write_csv
from experiments.study.runs import Run
from mlmd.reporting.page import Part, SortableTable
from mlmd.systems.table import DiatomicRecord, diatomic_table

HBAR_J_S, U_KG, C_CM_PER_S = 1.054571817e-34, 1.66053906660e-27, 2.99792458e10
"""CODATA 2018."""

HEADINGS = (
    "molecule",
    "isotopes",
    "omega_e_cm1",
    "omega_e_x_e_cm1",
    "r_e_A",
    "D_e_eV",
    "k_eV_per_A2",
    "period_fs",
    "B_e_cm1",
    "B_e_from_r_e_cm1",
    "B_e_difference_percent",
    "anharmonicity_over_morse",
    "source",
)


def rotational_constant_cm1(record: DiatomicRecord) -> float:
    """B_e = hbar / (4 pi c mu r_e^2), cm^-1, from the masses and the bond length."""
    mass_1, mass_2 = record.masses_u
    reduced_kg = mass_1 * mass_2 / (mass_1 + mass_2) * U_KG
    return HBAR_J_S / (4.0 * math.pi * C_CM_PER_S * reduced_kg * (record.r_e_A * 1e-10) ** 2)


def anharmonicity_over_morse(record: DiatomicRecord) -> float:
    """The measured omega_e x_e over that of a Morse curve with the same k and D_e, omega_e^2 / (4 D_e)."""
    electronvolt_cm1 = 8065.543937
    return record.omega_e_x_e_cm1 / (record.omega_e_cm1**2 / (4.0 * record.D_e_eV * electronvolt_cm1))


def collect(_: list[Run], out: Path) -> list[Part]:
    """The csv, the README's tables, and the table of the page; needs no runs."""
    rows = []
    for record in diatomic_table().values():
        computed = rotational_constant_cm1(record)
        rows.append(
            (
                record.molecule,
                "-".join(record.isotopes),
                record.omega_e_cm1,
                record.omega_e_x_e_cm1,
                record.r_e_A,
                record.D_e_eV,
                record.k_eV_per_A2,
                record.period_fs,
                record.B_e_cm1,
                computed,
                100.0 * (computed / record.B_e_cm1 - 1.0),
                anharmonicity_over_morse(record),
                record.source.replace(",", ";"),
            )
        )
    write_csv(out / "force_fields.csv", HEADINGS, rows)
    shown = [[*(str(cell) for cell in row[:6]), *_formatted(row[6:12])] for row in rows]
    headings = [
        "molecule", "isotopes", "ω_e, cm⁻¹", "ω_e x_e, cm⁻¹", "r_e, Å", "D_e, eV", "k, eV/Å²", "period, fs",
        "B_e, cm⁻¹",
        "B_e from r_e, cm⁻¹", "difference, %", "ω_e x_e over Morse's",
    ]  # fmt: skip
    fill_readme(out / "README.md", markdown_table(headings, shown))
    worst = max(rows, key=lambda row: abs(row[10]))
    summary = (
        f"largest difference between B_e and B_e from r_e: {worst[10]:+.3f} % ({worst[0]}), of {len(rows)} molecules"
    )
    fill_readme(out / "README.md", summary, mark="check")
    cells = [[_number(cell) for cell in row[:-1]] for row in rows]
    return [SortableTable(headings, cells, caption=summary)]


def _formatted(cells: tuple[float, ...]) -> list[str]:
    k, period, B_e, computed, difference, ratio = cells
    return [f"{k:.4g}", f"{period:.5g}", f"{B_e:.6g}", f"{computed:.6g}", f"{difference:+.3f}", f"{ratio:.2f}"]


def _number(cell: str | float) -> str | float:
    return float(f"{cell:.6g}") if isinstance(cell, float) else cell
