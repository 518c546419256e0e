"""The memory of a stacked LSTM: its state is carried along, or it reads a sliding window of fixed length."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.models.lstm import LSTMState, StackedLSTM
from mlmd.registered import find_class


class Memory(ABC):
    """How a network uses its inputs of earlier steps; ``step`` in a rollout gives what ``sequence`` gives in training.

    The header of a class names its ``memory.kind``; a class without a name is chosen by its dotted path.

    Attributes:
        n_skipped: steps at the start of a sequence whose outputs are not used.
    """

    registered: ClassVar[dict[str, type["Memory"]]] = {}
    n_skipped: int

    def __init_subclass__(cls, *, kind: str | None = None, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if kind is not None:
            Memory.registered[kind] = cls

    @classmethod
    @abstractmethod
    def of(cls, *, length: int | None, warmup: int | None) -> "Memory":
        """From the values of a specification.

        Raises:
            ConfigError: one that is needed is missing or out of range.
        """

    @abstractmethod
    def sequence(self, network: StackedLSTM, inputs: Tensor) -> Tensor:
        """Outputs [replica, time - n_skipped, output] of inputs [replica, time, input]."""

    @abstractmethod
    def initial(self, network: StackedLSTM, n_replicas: int) -> LSTMState:
        """The state before the first step."""

    @abstractmethod
    def step(self, network: StackedLSTM, inputs: Tensor, state: LSTMState, n_seen: int) -> tuple[Tensor, LSTMState]:
        """Output [replica, output] and state after input number ``n_seen`` (from 0), [replica, input]."""


class CarriedMemory(Memory, kind="carried"):
    """The state is carried from step to step.

    Every cell step of a sequence is trained, and a step of a rollout costs one cell step.

    Args:
        warmup: steps before the state has converged, whose outputs are not used.
    """

    def __init__(self, *, warmup: int = 16) -> None:
        if warmup < 1:
            raise ConfigError(f"memory.warmup = {warmup} must be at least 1")
        self.n_skipped = warmup

    @classmethod
    def of(cls, *, length: int | None, warmup: int | None) -> "CarriedMemory":
        """With 16 steps of warm-up where none are given."""
        return cls(warmup=16 if warmup is None else warmup)

    def sequence(self, network: StackedLSTM, inputs: Tensor) -> Tensor:
        """Outputs after the warm-up of one pass over the sequence."""
        outputs: Tensor = network(inputs)[0]
        return outputs[:, self.n_skipped :]

    def initial(self, network: StackedLSTM, n_replicas: int) -> LSTMState:
        """Zeros."""
        return network.initial_state(n_replicas)

    def step(self, network: StackedLSTM, inputs: Tensor, state: LSTMState, n_seen: int) -> tuple[Tensor, LSTMState]:
        """One cell step."""
        return network.step(inputs, state)


class NoMemory(CarriedMemory):
    """For a predictor without an LSTM: it needs no warm-up, so the first output counts."""

    def __init__(self) -> None:
        super().__init__()
        self.n_skipped = 0


class WindowMemory(Memory, kind="window"):
    """The last ``length`` inputs and nothing before them.

    A rollout keeps ``length`` states started one step apart and advances them together as one batch: at every step
    exactly one of them has read the whole window. The depth of a step stays one cell, its width is ``length`` replicas.

    Args:
        length: history length in steps.
    """

    def __init__(self, *, length: int) -> None:
        if length < 1:
            raise ConfigError(f"memory.length = {length} must be at least 1")
        self.length = length
        self.n_skipped = length - 1

    @classmethod
    def of(cls, *, length: int | None, warmup: int | None) -> "WindowMemory":
        """With a length, which has to be given."""
        if length is None:
            raise ConfigError("memory.length is missing: memory=window needs a history length in steps")
        return cls(length=length)

    def sequence(self, network: StackedLSTM, inputs: Tensor) -> Tensor:
        """The last output of every window of the sequence."""
        windows = inputs.unfold(1, self.length, 1).mT  # [replica, window, length, input]
        n_replicas, n_windows = windows.shape[:2]
        hidden, _ = network.lstm(windows.flatten(0, 1))
        outputs: Tensor = network.head(hidden[:, -1])
        return outputs.reshape(n_replicas, n_windows, -1)

    def initial(self, network: StackedLSTM, n_replicas: int) -> LSTMState:
        """Zeros for ``length`` staggered states, [layer, length * replica, hidden]."""
        return network.initial_state(self.length * n_replicas)

    def step(self, network: StackedLSTM, inputs: Tensor, state: LSTMState, n_seen: int) -> tuple[Tensor, LSTMState]:
        """Advance all staggered states, return the output of the one whose window is full, and reset that one."""
        n_replicas = inputs.shape[0]
        outputs, (hidden, cell) = network.step(inputs.repeat(self.length, 1), state)
        full = (n_seen + 1) % self.length * n_replicas
        full_states = slice(full, full + n_replicas)
        output = outputs[full_states]
        hidden[:, full_states] = 0.0
        cell[:, full_states] = 0.0
        return output, (hidden, cell)


def make_memory(kind: str, *, length: int | None, warmup: int | None) -> Memory:
    """The memory of a stored specification.

    Raises:
        ConfigError: no class has this name, or a value that it needs is missing.
    """
    return find_class(kind, Memory.registered, Memory, key="memory.kind").of(length=length, warmup=warmup)
