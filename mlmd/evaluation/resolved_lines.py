"""Vibrational lines of an on-the-fly run beside those of a shorter reference, as far as both lengths resolve them.

Every thermal replica has lines of its own, since a bond that stretches far vibrates more slowly. The highest peak of
the summed spectrum belongs to one replica and jumps to another when heights change. The centre of the power does not
jump, so both are given.
"""

from dataclasses import dataclass

from torch import Tensor

from mlmd.observables.dynamics import spectrum_resolution_cm1
from mlmd.observables.internal_motion import InternalMotion, internal_motion_of
from mlmd.observables.spectral_lines import WINDOW_CM1, WINDOW_SHARE, LineSpectra, LineSpectraAccumulator, line_shifts
from mlmd.state import FrameSource
from mlmd.systems import System

CHUNK_FRAMES = 2000
"""Number of frames that are read at once."""


@dataclass(frozen=True)
class ResolvedLine:
    """One line of a run and of its reference.

    Attributes:
        harmonic_cm1: harmonic wavenumber, cm^-1; None for a diatomic.
        position_cm1: highest peak of the run, cm^-1.
        reference_cm1: highest peak of the reference, cm^-1.
        resolution_cm1: spectral resolution of the shorter of the two, cm^-1.
        centre_cm1: power-weighted mean wavenumber of the run, cm^-1, within 15 % or 100 cm^-1, whichever is more, of
            the harmonic wavenumber or, for a diatomic, of the reference's peak.
        centre_reference_cm1: the same of the reference, cm^-1.
    """

    harmonic_cm1: float | None
    position_cm1: float
    reference_cm1: float
    resolution_cm1: float
    centre_cm1: float
    centre_reference_cm1: float


def resolve_lines(run: FrameSource, reference: FrameSource, system: System, *, every: int) -> list[ResolvedLine]:
    """Lines from all frames of a run and of a reference; the two may differ in length.

    Args:
        run: frames that ML propagated.
        reference: frames of Hamiltonian dynamics.
        system: what was simulated.
        every: number of steps between two frames of both.
    """
    motion, frame_dt_fs = internal_motion_of(system), system.dt_fs * every
    spectra, spectra_ref = (_spectra(frames, motion, frame_dt_fs) for frames in (run, reference))
    resolution = spectrum_resolution_cm1(min(len(run), len(reference)), frame_dt_fs)
    shifts, resolved = line_shifts(spectra, spectra_ref, motion.lines), []
    for index, (line, shift) in enumerate(zip(motion.lines, shifts, strict=True)):
        near = shift.reference_cm1 if line.harmonic_cm1 is None else line.harmonic_cm1
        centres = (_centre(each.wavenumbers, each.power[index], near) for each in (spectra, spectra_ref))
        resolved.append(ResolvedLine(line.harmonic_cm1, shift.position_cm1, shift.reference_cm1, resolution, *centres))
    return resolved


def _centre(wavenumbers: Tensor, power: Tensor, near_cm1: float) -> float:
    half = max(WINDOW_SHARE * near_cm1, WINDOW_CM1)
    within = (wavenumbers - near_cm1).abs() < half
    return float((wavenumbers[within] * power[within]).sum() / power[within].sum())


def _spectra(frames: FrameSource, motion: InternalMotion, frame_dt_fs: float) -> LineSpectra:
    spectra, rates = LineSpectraAccumulator(motion.lines, len(frames), frame_dt_fs), motion.follow()
    for start in range(0, len(frames), CHUNK_FRAMES):
        part = frames.frames(start, min(start + CHUNK_FRAMES, len(frames)))
        spectra.update(rates(part.positions, part.velocities))
    spectra.end_run()
    return spectra.result()
