"""Sizes of the Triton kernel for one predictor."""

from dataclasses import dataclass
from typing import Any, ClassVar

from mlmd.decomposition import DiatomicVibration, LabCartesian, MolecularFrameCartesian
from mlmd.models import VelocityPredictor, WindowMemory

KINDS: dict[type, int] = {LabCartesian: 0, MolecularFrameCartesian: 1, DiatomicVibration: 2}
"""The kernel's number of each decomposition, as in ``geometry``."""


@dataclass(frozen=True)
class KernelShapes:
    """How a predictor's numbers are laid out on chip.

    Numbers are held in groups of four, nils at the end of each: three of one atom, or fewer.

    Attributes:
        kind: number of the decomposition.
        features: numbers in every feature group: velocity features, last update, coordinate frames.
        components: numbers in every component group.
        coordinates: groups in one coordinate frame.
        n_frames: coordinate frames read.
        n_layers: LSTM layers.
        hidden_size: units a layer has.
        predicts_update: whether the predictor predicts u_n.
        length: states kept for a window; 1 where the memory is carried.
        block: columns of a program, on chip at the same time.
    """

    kind: int
    features: tuple[int, ...]
    components: tuple[int, ...]
    coordinates: int
    n_frames: int
    n_layers: int
    hidden_size: int
    predicts_update: bool
    length: int
    block: int

    largest_block: ClassVar[int] = 32

    @classmethod
    def of(
        cls, predictor: VelocityPredictor, *, n_replicas: int | None = None, n_processors: int = 1
    ) -> "KernelShapes":
        """Shapes for a predictor that ``limits`` found covered.

        Args:
            predictor: on any device.
            n_replicas: replicas of the rollout; None for as many as fill the GPU.
            n_processors: multiprocessors of the GPU; few replicas are spread over them in smaller programs.
        """
        spec, kind = predictor.spec, KINDS[type(predictor.decomposition)]
        components = (1,) if kind == 2 else (3, 3)
        coordinates = (3, 3) if kind == 0 else (1,)
        velocity = (2,) if kind == 2 else (3, 3)
        length = predictor.memory.length if isinstance(predictor.memory, WindowMemory) else 1
        small = n_replicas is not None and n_replicas <= 16 * n_processors and length == 1
        return cls(
            kind=kind,
            features=velocity + components + coordinates * spec.coordinate_frames,
            components=components,
            coordinates=len(coordinates),
            n_frames=spec.coordinate_frames,
            n_layers=spec.n_layers,
            hidden_size=spec.hidden_size,
            predicts_update=predictor.predicts_update,
            length=length,
            block=16 if small else cls.largest_block,
        )

    @property
    def n_inputs(self) -> int:
        """Rows of the network's input, a power of two that a matrix product takes."""
        return max(16, _power_of_two(4 * len(self.features)))

    @property
    def n_hidden(self) -> int:
        """Units with the nil ones; eight for each warp."""
        return 32 if self.hidden_size <= 32 else 64

    @property
    def n_warps(self) -> int:
        """Warps of a program."""
        return self.n_hidden // 8

    @property
    def n_slots(self) -> int:
        """Columns that a replica takes."""
        return _power_of_two(self.length)

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a program: the weights and two split signals."""
        n_weights = 4 * self.n_hidden * (self.n_inputs + self.n_hidden * (2 * self.n_layers - 1))
        return 4 * n_weights + 8 * self.n_hidden * self.largest_block

    def constants(self) -> dict[str, Any]:
        """The kernel's constants but FOLLOWS."""
        return {
            "KIND": self.kind,
            "PREDICTS_UPDATE": self.predicts_update,
            "N_FRAMES": self.n_frames,
            "LAYERS": self.n_layers,
            "UNITS": self.hidden_size,
            "INPUTS": self.n_inputs,
            "HIDDEN": self.n_hidden,
            "LENGTH": self.length,
            "SLOTS": self.n_slots,
            "BLOCK": self.block,
        }


def columns(groups: tuple[int, ...]) -> list[int]:
    """Places of the numbers of ``groups`` among groups of four.

    >>> columns((3, 3, 1))
    [0, 1, 2, 4, 5, 6, 8]
    """
    return [4 * group + i for group, size in enumerate(groups) for i in range(size)]


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
