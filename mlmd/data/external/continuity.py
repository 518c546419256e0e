"""Checks that the frames of a file are one unbroken motion, from positions alone.

Where a frame is missing, doubled or out of order, where atoms are exchanged, or where two runs are joined, positions
jump by d between two frames. Their fourth differences are then d times (1, -3, 3, -1), and their second differences d
times (1, -1). For a sound motion of angular frequency w the first are smaller than the second by (w dt)^2. The ratio of
both, the roughness, tells the two apart without any scale of the file; the fourth differences must also exceed their
median over the file, which leaves out rounded positions.
"""

import math
from pathlib import Path

import torch
from torch import Tensor

from mlmd.errors import DataError

ROUGH = (0.6, 1.5)
"""Least and largest roughness from which a frame breaks the motion; between both it is three times that of all but 2 %
of the frames, since few frames to a period are rough by themselves."""

ABOVE_MEDIAN = 8.0
"""Fourth differences of a break, in medians over the file."""

FEWEST_FRAMES = 9

_MANY = 0.2
"""Part of the frames that break the motion above which the order of the file is named as the reason."""


def require_continuous(path: Path, positions: Tensor, symbols: tuple[str, ...], resolution_A: float) -> None:
    """Refuse positions that jump between two frames.

    Args:
        path: the file, for messages.
        positions: float64 [time, atom, xyz], A.
        symbols: element symbols.
        resolution_A: the step between two numbers that the positions could have held, A.

    Raises:
        DataError: the motion breaks; the frame is named, and the reason where it is seen.
    """
    moved = _size(positions[1:] - positions[:-1])
    same = moved <= resolution_A
    if bool(same.any()) and float(moved.median()) > 20.0 * resolution_A:
        frame = int(same.int().argmax()) + 1
        raise DataError(
            f"{path}: frame {frame} is frame {frame - 1} once more, as after a restart"
            f"{_and_others(int(same.sum()) - 1)}; remove it"
        )
    if len(positions) < FEWEST_FRAMES:
        return
    breaks = _breaks(positions, resolution_A)
    if not bool(breaks.any()):
        return
    frame, part = _first(positions, breaks), float(breaks.double().mean())
    if part > _MANY:
        raise DataError(
            f"{path}: its frames are in no order of time (the motion breaks before frame {frame} and at "
            f"{100 * part:.0f} % of all): sort them, or store more frames a period"
        )
    exchanged = _exchanged(positions, frame, symbols)
    reason = (
        f"atoms {exchanged[0]} and {exchanged[1]} are exchanged"
        if exchanged
        else "a frame is missing or out of order, or another run begins"
    )
    raise DataError(f"{path}: the motion breaks between frames {frame - 1} and {frame}: {reason}; cut the file there")


def _breaks(positions: Tensor, resolution_A: float) -> Tensor:
    """Whether the motion breaks about each frame but the first and the last two, bool [time - 4]."""
    second, fourth = _size(_differences(positions, 2)), _size(_differences(positions, 4))
    largest = second.unfold(0, 3, 1).amax(dim=1)
    roughness = fourth / largest.clamp(min=1e-300)
    noise = math.sqrt(70.0 / 12.0) * resolution_A
    above = fourth > ABOVE_MEDIAN * max(float(fourth.median()), 3.0 * noise)
    told = fourth > ABOVE_MEDIAN * 3.0 * noise
    least, most = ROUGH
    usual = float(torch.quantile(roughness[told][-1_000_000:], 0.98)) if bool(told.any()) else most
    breaks = (roughness > min(max(3.0 * usual, least), most)) & above
    if float(roughness.median()) > most:
        breaks |= roughness > most
    return breaks


def _first(positions: Tensor, breaks: Tensor) -> int:
    """The frame before which the first break lies: there the displacement differs most from those beside it."""
    centre = int(breaks.int().argmax()) + 2
    start = max(centre - 3, 0)
    return start + 2 + int(_size(_differences(positions, 3))[start : centre + 1].argmax())


def _exchanged(positions: Tensor, frame: int, symbols: tuple[str, ...]) -> tuple[int, int] | None:
    """Two atoms of one element that are each where the other one was to be."""
    expected = 2.0 * positions[frame - 1] - positions[frame - 2]
    distances = torch.cdist(positions[frame], expected)
    nearest = distances.argmin(dim=1).tolist()
    for first, second in enumerate(nearest):
        if second > first and nearest[second] == first and symbols[first] == symbols[second]:
            return first, second
    return None


def _and_others(n_others: int) -> str:
    return "" if n_others < 1 else f", and {n_others} other{'s' * (n_others > 1)} so"


def _differences(values: Tensor, order: int) -> Tensor:
    return torch.diff(values, n=order, dim=0)


def _size(vectors: Tensor) -> Tensor:
    """Root mean square over atoms and directions [time], A."""
    return vectors.square().mean(dim=(1, 2)).sqrt()
