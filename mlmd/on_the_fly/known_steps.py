"""Steps with true kicks: the training and validation data of an on-the-fly run."""

from dataclasses import dataclass, field
from typing import Any

import torch

from mlmd.state import Trajectory

_FIELDS = ("steps", "positions", "velocities", "kicks")


@dataclass
class History:
    """Stretches of consecutive Hamiltonian steps, in order.

    Attributes:
        stretches: each of stride 1; frames are [replica, time, atom, xyz].
    """

    stretches: list[Trajectory] = field(default_factory=list)

    def append(self, frames: Trajectory) -> None:
        """Add consecutive frames; they extend the last stretch if they follow its last step."""
        if len(frames) == 0:
            return
        last = self.stretches[-1] if self.stretches else None
        if last is not None and int(frames.steps[0]) == int(last.steps[-1]) + 1:
            self.stretches[-1] = _joined([last, frames], dim=1)
        else:
            self.stretches.append(_own(frames))

    @property
    def n_steps(self) -> int:
        """Total number of known steps."""
        return sum(map(len, self.stretches))

    @property
    def last(self) -> Trajectory:
        """The stretch that ends with the present step."""
        return self.stretches[-1]

    def forget_all_but_last(self) -> None:
        """Delete all stretches but the last one."""
        del self.stretches[:-1]

    def last_frames(self, n_frames: int) -> Trajectory:
        """The last ``n_frames`` frames, or all frames of the last stretch if it is shorter."""
        return self.last.frames(max(0, len(self.last) - n_frames), len(self.last))

    def split(self, *, held_out_steps: int, least_steps: int) -> dict[str, Trajectory]:
        """Frames for training and for validation; no frame is in both.

        The end of the last stretch is held out for validation. The rest is cut into pieces of equal length; pieces of a
        stretch overlap if its length is not a multiple of theirs.

        Args:
            held_out_steps: number of frames that are held out.
            least_steps: length of the shortest piece that can be trained on; shorter stretches are left out.

        Returns:
            Pieces as replicas, under "train" and "val"; "test" is "val".
        """
        cut = len(self.last) - held_out_steps
        known = [*self.stretches[:-1], self.last.frames(0, max(cut, 0))]
        held_out = self.last.frames(max(cut, 0), len(self.last))
        usable = [stretch for stretch in known if len(stretch) >= least_steps]
        length = min(map(len, usable))
        pieces = [piece for stretch in usable for piece in _pieces(stretch, length)]
        steps = torch.arange(length)
        train = _joined([Trajectory(steps, *_values(piece)) for piece in pieces], dim=0)
        return {"train": train, "val": held_out, "test": held_out}

    def state_dict(self) -> list[dict[str, Any]]:
        """Tensors, for a restart file."""
        return [{name: getattr(stretch, name) for name in _FIELDS} for stretch in self.stretches]

    @classmethod
    def from_state_dict(cls, stretches: list[dict[str, Any]]) -> "History":
        """The history that ``state_dict`` stored."""
        return cls([Trajectory(**stretch) for stretch in stretches])


def _values(frames: Trajectory) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return frames.positions, frames.velocities, frames.kicks


def _own(frames: Trajectory) -> Trajectory:
    return Trajectory(frames.steps.clone(), *(values.clone() for values in _values(frames)))


def _joined(parts: list[Trajectory], *, dim: int) -> Trajectory:
    """Several pieces one after the other in time (1), or side by side as replicas (0)."""
    steps = torch.cat([part.steps for part in parts]) if dim == 1 else parts[0].steps
    return Trajectory(steps, *(torch.cat(values, dim=dim) for values in zip(*map(_values, parts), strict=True)))


def _pieces(stretch: Trajectory, length: int) -> list[Trajectory]:
    """Evenly spread pieces of the given length that cover a stretch."""
    n_pieces = -(-len(stretch) // length)
    room = len(stretch) - length
    starts = [round(i * room / max(1, n_pieces - 1)) for i in range(n_pieces)]
    return [stretch.frames(start, start + length) for start in starts]
