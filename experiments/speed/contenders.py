"""The engines that compete, and the learned stretch that each of them advances."""

import importlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
from cases import Rollout
from timing import Contender

from mlmd.propagation import EagerEngine, Engine, FrameBuffer, LearnedKick
from mlmd.state import MDState

STRETCH_STEPS = 99
"""From one injection to the next at f = 0.01."""

FRAME_STRIDE = 10
"""Steps between two stored frames; a frame stored every step would measure memory, not the engine."""

MOST_STEPS = 10_000
"""In one sample: a random head is no trained one, so a rollout begins anew before it could leave physics."""


@dataclass(frozen=True)
class Entry:
    """An engine on a device with a number of CPU threads."""

    engine: str
    device: str
    threads: int
    make: Callable[[], Engine] = field(repr=False, compare=False)


def entries(threads: Iterable[int], *, only: Iterable[str] | None = None) -> list[Entry]:
    """Every engine that this machine can run, of the names in ``only`` where it is given."""
    wanted = None if only is None else set(only)
    numba, cuda = _compiled("cpu", "NumbaEngine"), _compiled("cuda", "CudaEngine")
    found = []
    for n_threads in threads:
        found.append(Entry("eager", "cpu", n_threads, EagerEngine))
        if numba is not None:
            found.append(Entry("numba", "cpu", n_threads, partial(numba, threads=n_threads)))
    if torch.cuda.is_available():
        found.append(Entry("eager", "cuda", 1, EagerEngine))
        if cuda is not None:
            found.append(Entry("cuda", "cuda", 1, cuda))
    return [entry for entry in found if wanted is None or entry.engine in wanted]


def say_what_is_missing() -> None:
    """One line for every engine that cannot be timed here."""
    if _compiled("cpu", "NumbaEngine") is None:
        print("engines: numba is left out, it is not installed", flush=True)
    if not torch.cuda.is_available():
        print("engines: cuda is left out, there is no GPU", flush=True)
    elif _compiled("cuda", "CudaEngine") is None:
        print("engines: cuda is left out, triton is not installed", flush=True)


def _compiled(package: str, name: str) -> Callable[..., Engine] | None:
    """A compiled engine, or None where its compiler is not installed."""
    try:
        engine: Callable[..., Engine] = getattr(importlib.import_module(f"mlmd.propagation.engines.{package}"), name)
    except (ImportError, AttributeError):
        return None
    return engine


class LearnedStretch:
    """Advances a rollout by whole learned stretches, always from the same state on.

    Args:
        rollout: on the device of the entry.
        entry: who advances it.
        sample_s: time that one sample should take; stretches are repeated to fill it, or shortened not to exceed it.
        stretch_steps: longest stretch.
    """

    def __init__(self, rollout: Rollout, entry: Entry, *, sample_s: float, stretch_steps: int = STRETCH_STEPS) -> None:
        self.rollout = rollout
        self.entry = entry
        self.engine = entry.make()
        self.learned = LearnedKick(rollout.predictor, rollout.n_replicas)
        self.engine.bind(self.learned)
        self.state = rollout.state
        self.stretch_steps, self.n_stretches = stretch_steps, 1
        self._calibrate(sample_s)

    @torch.no_grad()
    def _calibrate(self, sample_s: float) -> None:
        """Length and number of stretches, from trials after one that compiles; the best, for one may be interrupted."""
        torch.set_num_threads(self.entry.threads)
        self._took_s(2)
        step_s = self._best_s(2, sample_s) / 2
        self.stretch_steps = max(4, min(self.stretch_steps, round(sample_s / step_s)))
        stretch_s = self._best_s(self.stretch_steps, sample_s)
        self.n_stretches = max(1, min(MOST_STEPS // self.stretch_steps, round(sample_s / stretch_s)))

    def _best_s(self, n_steps: int, patience_s: float) -> float:
        """Of up to five stretches; of one where that takes long."""
        took_s = [self._took_s(n_steps)]
        while len(took_s) < 5 and sum(took_s) < patience_s:
            took_s.append(self._took_s(n_steps))
        return min(took_s)

    def _took_s(self, n_steps: int) -> float:
        self.begin_again()
        began = time.perf_counter()
        self._stretch(n_steps)
        if self.entry.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    def begin_again(self) -> None:
        """Back to the moment at which ML took over."""
        self.learned.load_state_dict(self.rollout.memory)
        self.state = self.rollout.state

    def contender(self) -> Contender:
        """For the stopwatch, which counts MD steps."""
        return Contender(
            work=self.work,
            n_units=self.n_stretches * self.stretch_steps,
            prepare=self.begin_again,
            threads=self.entry.threads,
            on_gpu=self.entry.device == "cuda",
        )

    def work(self) -> None:
        """All stretches of a sample."""
        for _ in range(self.n_stretches):
            self._stretch(self.stretch_steps)

    def _stretch(self, n_steps: int) -> None:
        frames = FrameBuffer(self.state, first_step=self.state.step, n_steps=n_steps, every=FRAME_STRIDE)
        self.state, _ = self.engine.advance(
            self.state, self.learned, n_steps, dt_fs=self.rollout.system.dt_fs, frames=frames
        )

    def check(self) -> None:
        """Refuse a time whose rollout left physics, in which there would be less or other work."""
        if not is_sound(self.state, self.rollout):
            raise RuntimeError(f"{self.rollout.case.words} with {self.entry.engine} left physics within a sample")


def is_sound(state: MDState, rollout: Rollout) -> bool:
    """Whether every atom is within 1 A of where it began, about its centre of mass."""
    moved = state.positions - rollout.state.positions
    lengths = [(p[:, 1:] - p[:, :1]).norm(dim=-1) for p in (state.positions, rollout.state.positions)]
    return bool(moved.isfinite().all()) and bool(((lengths[0] - lengths[1]).abs() < 1.0).all())
