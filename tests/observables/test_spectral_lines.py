"""Lines of molecules are found where they are, and a shift where there is one."""

import math

import pytest
import torch

from mlmd.observables import line_position_cm1
from mlmd.observables.spectral_lines import (
    LineShift,
    LineSpectraAccumulator,
    kinetic_error_worst,
    largest_shift_cm1,
    line_shifts,
    line_spectra,
    reference_lines,
)
from observables.molecules import CARBON_DIOXIDE, DT_FS, WATER

TURN = torch.tensor([1e-3, 2e-3, 0.0], dtype=torch.float64)


def spectra_of(molecule, **options):
    run, _, _ = molecule.run(n_frames=10_000, n_replicas=2, turn=TURN, **options)
    rates = molecule.motion.follow()(run.positions, run.velocities)
    return line_spectra(rates, molecule.motion.lines, DT_FS)


@pytest.mark.parametrize(
    ("molecule", "lines"), [(WATER, [1595.0, 3657.0, 3756.0]), (CARBON_DIOXIDE, [667.2, 1333.0, 2349.0])]
)
def test_lines_of_a_harmonic_molecule_are_its_wavenumbers(molecule, lines):
    found = reference_lines(spectra_of(molecule), molecule.motion.lines)
    # Two bends 0.4 cm^-1 apart are one line in between.
    assert found == pytest.approx(lines, abs=0.3)


def test_the_largest_shift_has_its_sign():
    shifted = spectra_of(WATER, factor=(0.995, 1.001, 1.0))
    shifts = line_shifts(shifted, spectra_of(WATER), WATER.motion.lines)
    assert [each.shift_cm1 for each in shifts] == pytest.approx([-7.975, 3.657, 0.0], abs=0.02)
    assert largest_shift_cm1(shifts) == shifts[0].shift_cm1
    assert math.isnan(largest_shift_cm1([LineShift(1.0, math.nan)]))


def test_modes_at_rest_have_no_line():
    still = spectra_of(WATER, amplitudes=(0.02, 0.0, 1e-6))
    assert [math.isnan(line) for line in reference_lines(still, WATER.motion.lines)] == [False, True, True]
    assert largest_shift_cm1(line_shifts(spectra_of(WATER), still, WATER.motion.lines)) == pytest.approx(0.0, abs=1e-9)


def test_kinetic_energies_are_compared_line_by_line():
    lively = spectra_of(CARBON_DIOXIDE, amplitudes=(0.02, 0.02, 0.022, 0.02))
    assert kinetic_error_worst(lively, spectra_of(CARBON_DIOXIDE)) == pytest.approx(0.21, rel=1e-6)
    still = spectra_of(WATER, amplitudes=(0.02, 0.0, 0.02))
    assert kinetic_error_worst(spectra_of(WATER), still) == pytest.approx(0.0, abs=1e-9)


def test_a_line_is_looked_for_near_where_it_is_expected():
    wavenumbers = torch.arange(0.0, 4000.0, 2.0, dtype=torch.float64)
    of_line, of_other = (torch.exp(-0.5 * ((wavenumbers - at) / 5.0).square()) for at in (1595.3, 3190.0))
    power = of_line + 100 * of_other + 1e-12
    assert line_position_cm1(wavenumbers, power) == pytest.approx(3190.0, abs=0.1)
    assert line_position_cm1(wavenumbers, power, within=(1400.0, 1800.0)) == pytest.approx(1595.3, abs=0.1)
    # On the slope of a line beyond there is no top to interpolate.
    assert line_position_cm1(wavenumbers, power, within=(3000.0, 3180.0)) == 3178.0
    assert math.isnan(line_position_cm1(wavenumbers, power, within=(5000.0, 6000.0)))


def test_spectra_of_stretches_are_those_of_the_whole():
    run, _, _ = CARBON_DIOXIDE.run(n_frames=300)
    rates = CARBON_DIOXIDE.motion.follow()(run.positions, run.velocities)
    lines = CARBON_DIOXIDE.motion.lines
    stretched = LineSpectraAccumulator(lines, 300, DT_FS)
    for replicas in (slice(0, 2), slice(2, 3)):
        for start in range(0, 300, 70):
            stretched.update(rates[replicas, start : start + 70])
        stretched.end_run()
    whole, ours = line_spectra(rates, lines, DT_FS), stretched.result()
    torch.testing.assert_close(ours.power, whole.power, rtol=1e-10, atol=0)
    torch.testing.assert_close(ours.squares, whole.squares)
    # Parseval: the spectra of all modes together have the energy of the windowed rates.
    counts = torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(ours.total(lines), counts @ whole.power)
