"""Vibrational lines of an on-the-fly run as far as its length resolves them, beside those of a shorter true one.

Every thermal replica has lines of its own, for a bond that stretches far vibrates slower. The highest peak of all of
them together is that of one replica, and jumps to another's when heights change; the centre of the power does not.
"""

from dataclasses import dataclass

from torch import Tensor

from mlmd.observables.dynamics import spectrum_resolution_cm1
from mlmd.observables.internal_motion import InternalMotion, internal_motion_of
from mlmd.observables.spectral_lines import WINDOW_CM1, WINDOW_SHARE, LineSpectra, LineSpectraAccumulator, line_shifts
from mlmd.state import FrameSource
from mlmd.systems import System

STRETCH_FRAMES = 2000


@dataclass(frozen=True)
class Resolved:
    """A line of both, cm^-1.

    Attributes:
        harmonic_cm1: in the harmonic limit; None for a bond.
        position_cm1: of the run.
        reference_cm1: of true dynamics.
        resolution_cm1: of the shorter of the two.
        centre_cm1: of the run, mean wavenumber by power, within 15 % or 100 cm^-1 of the harmonic one or, for a bond,
            of the reference's peak.
        centre_reference_cm1: of true dynamics.
    """

    harmonic_cm1: float | None
    position_cm1: float
    reference_cm1: float
    resolution_cm1: float
    centre_cm1: float
    centre_reference_cm1: float


def resolved_lines(run: FrameSource, reference: FrameSource, system: System, *, every: int) -> list[Resolved]:
    """The lines of all frames of a run and of a reference, which may be of other lengths.

    Args:
        run: what ML propagated.
        reference: true dynamics.
        system: what was simulated.
        every: steps between two frames of both.
    """
    motion, frame_dt_fs = internal_motion_of(system), system.dt_fs * every
    own, true = (_spectra(frames, motion, frame_dt_fs) for frames in (run, reference))
    resolution = spectrum_resolution_cm1(min(len(run), len(reference)), frame_dt_fs)
    resolved = []
    for index, (line, shift) in enumerate(zip(motion.lines, line_shifts(own, true, motion.lines), strict=True)):
        near = shift.reference_cm1 if line.harmonic_cm1 is None else line.harmonic_cm1
        centres = (_centre(spectra.wavenumbers, spectra.power[index], near) for spectra in (own, true))
        resolved.append(Resolved(line.harmonic_cm1, shift.position_cm1, shift.reference_cm1, resolution, *centres))
    return resolved


def _centre(wavenumbers: Tensor, power: Tensor, near_cm1: float) -> float:
    half = max(WINDOW_SHARE * near_cm1, WINDOW_CM1)
    within = (wavenumbers - near_cm1).abs() < half
    return float((wavenumbers[within] * power[within]).sum() / power[within].sum())


def _spectra(frames: FrameSource, motion: InternalMotion, frame_dt_fs: float) -> LineSpectra:
    spectra, rates = LineSpectraAccumulator(motion.lines, len(frames), frame_dt_fs), motion.follow()
    for start in range(0, len(frames), STRETCH_FRAMES):
        part = frames.frames(start, min(start + STRETCH_FRAMES, len(frames)))
        spectra.update(rates(part.positions, part.velocities))
    spectra.end_run()
    return spectra.result()
