"""The cuda engine against the eager one; ``test_cuda_kernel`` runs this file: on a GPU, or in Triton's interpreter.

Tolerances: what float32 rounds. An LSTM state is below 1 and comes from sums of some dozen products, each rounded by
EPSILON / 2; a step hands its error to the next. A kick carries that error times what the network has to say.
"""

import contextlib
import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from mlmd.propagation import EagerEngine, FrameBuffer
from mlmd.propagation.engines.cuda import CudaEngine
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
on_a_gpu = pytest.mark.skipif(DEVICE.type == "cpu", reason="needs a GPU")
EPSILON = torch.finfo(torch.float32).eps
N_STEPS = 6
KINDS = {
    "3": {"components": "cartesian"},
    "3mol": {"components": "cartesian", "frame": "molecule"},
    "D": {"components": "molecular"},
}
TARGETS = {
    "u": {"target": "update", "shortcut": True},
    "v": {"target": "velocity", "shortcut": False},
}
VARIANTS = [
    *(
        pytest.param(KINDS[kind] | TARGETS[target] | {"n_layers": n_layers}, 18, id=f"{kind}{target}-{n_layers}")
        for kind in KINDS
        for target, n_layers in (("u", 1), ("u", 2), ("u", 3), ("v", 2))
    ),
    *(
        pytest.param(KINDS[kind] | TARGETS["u"] | {"coordinate_frames": R}, 5, id=f"{kind}uR{R}")
        for kind, R in (("3", 1), ("3", 3), ("3mol", 2), ("D", 1), ("D", 4))
    ),
    *(
        pytest.param(
            KINDS[kind] | TARGETS[target] | {"memory_kind": "window", "memory_length": length},
            n_replicas,
            id=f"{kind}{target}-window-{length}",
        )
        for kind, target, length, n_replicas in (("3", "u", 3, 10), ("3mol", "v", 5, 5), ("D", "u", 24, 2))
    ),
    pytest.param(KINDS["D"] | TARGETS["u"] | {"hidden_size": 40, "n_layers": 1}, 5, id="hidden-40"),
    pytest.param(KINDS["D"] | TARGETS["u"] | {"hidden_size": 1, "n_layers": 1, "network": False}, 5, id="no-LSTM"),
    pytest.param(KINDS["3mol"] | TARGETS["v"] | {"hidden_size": 64}, 35, id="hidden-64-two-programs"),
]


@pytest.fixture
def rollout(float_predictor: Any, rotating_states: Any, hcl_morse: Any) -> Any:
    """A predictor that speaks as loudly as it can, a state at step 3, and a memory in the middle of a run."""

    def make(variant: Any, n_replicas: int) -> tuple[MDState, LearnedKick]:
        predictor = float_predictor(**({"hidden_size": 16, "says": 1.0} | variant)).to(DEVICE)
        learned = LearnedKick(predictor, n_replicas)
        generator = torch.Generator().manual_seed(5)
        # Tensors that are not contiguous, as a caller may have.
        strided = (part.transpose(0, 1).contiguous().transpose(0, 1) for part in rotating_states(hcl_morse, n_replicas))
        state = MDState(3, *strided).to(DEVICE)
        for part in learned.memory.network:
            part.copy_(1.8 * torch.rand(part.shape, generator=generator) - 0.9)
        learned.memory.n_seen = 20
        frame = predictor.decomposition.frame(state.positions, state.velocities)
        learned.memory.last_update = predictor.decomposition.project(frame, 0.1 * state.velocities)
        seen = predictor.decomposition.coordinates(frame, state.positions)
        learned.memory.coordinates = [seen * (1 + 0.01 * i) for i in range(predictor.spec.coordinate_frames - 1)]
        return state, learned

    return make


def travel(engine: Any, state: MDState, learned: LearnedKick) -> tuple[Any, ...]:
    """Two stretches with a Hamiltonian step between."""
    engine.bind(learned)
    dt_fs = learned.predictor.spec.dt_fs
    frames = FrameBuffer(state, first_step=3, n_steps=N_STEPS, every=2)
    with torch.no_grad():
        state, first = engine.advance(state, learned, N_STEPS - 2, dt_fs=dt_fs, frames=frames)
        predicted = engine.follow(state, learned, first[0].flip(0))
        state, second = engine.advance(state, learned, 2, dt_fs=dt_fs, frames=frames)
    return state, first, second, predicted, frames


def close(actual: Any, expected: Any, error: float) -> None:
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=error, equal_nan=True)


def assert_same(actual: Any, expected: Any, ours: LearnedKick, theirs: LearnedKick) -> None:
    error = 4 * N_STEPS * EPSILON
    kick_error = error * float(theirs.predictor.scaling.basis.norm()) + 1e-14
    dt_fs = theirs.predictor.spec.dt_fs
    state, first, second, predicted, frames = actual
    true_state, true_first, true_second, true_predicted, true_frames = expected
    assert state.step == true_state.step == 3 + N_STEPS
    close(first, true_first, kick_error)
    close(second, true_second, kick_error)
    close(predicted, true_predicted, kick_error)
    close(state.velocities, true_state.velocities, N_STEPS * kick_error)
    close(state.positions, true_state.positions, N_STEPS**2 * dt_fs * kick_error)
    assert len(frames) == len(true_frames) == 3
    close(frames.kicks, true_frames.kicks, kick_error)
    close(frames.velocities, true_frames.velocities, N_STEPS * kick_error)
    close(frames.positions, true_frames.positions, N_STEPS**2 * dt_fs * kick_error)
    assert ours.memory.n_seen == theirs.memory.n_seen
    close(ours.memory.last_update, theirs.memory.last_update, kick_error)
    for mine, yours in zip(ours.memory.network, theirs.memory.network, strict=True):
        close(mine, yours, error)
    assert len(ours.memory.coordinates) == len(theirs.memory.coordinates)
    for mine, yours in zip(ours.memory.coordinates, theirs.memory.coordinates, strict=True):
        close(mine, yours, N_STEPS**2 * dt_fs * kick_error)


def check(engine: CudaEngine, state: MDState, ours: LearnedKick) -> None:
    theirs = copy.deepcopy(ours)
    given, hidden = state.positions.clone(), ours.memory.network[0].clone()
    actual, expected = travel(engine, state, ours), travel(EagerEngine(), state, theirs)
    assert torch.equal(state.positions, given)
    assert_same(actual, expected, ours, theirs)
    assert not torch.allclose(ours.memory.network[0], hidden, atol=1e-3)


@pytest.mark.parametrize(("variant", "n_replicas"), VARIANTS)
def test_the_kernel_does_what_the_eager_engine_does(rollout: Any, variant: Any, n_replicas: int) -> None:
    engine = CudaEngine()
    check(engine, *rollout(variant, n_replicas))
    assert engine.description.endswith("one Triton kernel a stretch")


@on_a_gpu
@pytest.mark.parametrize(("variant", "n_replicas"), VARIANTS)
def test_graphs_do_what_the_eager_engine_does(rollout: Any, variant: Any, n_replicas: int) -> None:
    check(CudaEngine(kernel=False), *rollout(variant, n_replicas))


@contextlib.contextmanager
def waiting_refused() -> Iterator[None]:
    """Inside, whatever waits for the GPU raises an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype feature")
        try:
            torch.cuda.set_sync_debug_mode("error")
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


@on_a_gpu
@pytest.mark.parametrize("kernel", [True, False])
def test_a_later_stretch_never_waits_for_the_gpu(rollout: Any, kernel: bool) -> None:
    state, learned = rollout(KINDS["3mol"] | TARGETS["u"], 40)
    engine = CudaEngine(kernel=kernel)
    travel(engine, state, learned)
    frames = FrameBuffer(state, first_step=3, n_steps=17)
    with waiting_refused():
        engine.advance(state, learned, 17, dt_fs=0.5, frames=frames)
    assert bool(frames.positions.isfinite().all())


def test_a_lost_replica_disturbs_no_other(rollout: Any) -> None:
    state, ours = rollout(KINDS["3mol"] | TARGETS["u"], 5)
    whole = copy.deepcopy(ours)
    lost = state.positions.clone()
    lost[2] = float("nan")
    with_loss = travel(CudaEngine(), MDState(3, lost, state.velocities), ours)[0]
    without = travel(CudaEngine(), state, whole)[0]
    others = [0, 1, 3, 4]
    assert torch.equal(with_loss.positions[others], without.positions[others])
    assert bool(with_loss.positions[2].isnan().all())


def test_a_start_without_history_is_the_eager_one(float_predictor: Any, rotating_states: Any, hcl_morse: Any) -> None:
    predictor = float_predictor(coordinate_frames=3, hidden_size=16).to(DEVICE)
    state = MDState(0, *rotating_states(hcl_morse, 3)).to(DEVICE)
    ours, theirs = LearnedKick(predictor, 3), LearnedKick(predictor, 3)
    engine = CudaEngine()
    engine.bind(ours)
    for step in range(5):
        kick = 0.01 * (step + 1) * state.velocities
        mine, yours = engine.follow(state, ours, kick), EagerEngine().follow(state, theirs, kick)
        assert (mine is None) == (yours is None) == (step < 2)
        if mine is not None:
            close(mine, yours, 4 * 5 * EPSILON * float(predictor.scaling.basis.norm()))
        state = MDState(step + 1, state.positions + 0.5 * state.velocities, state.velocities)
    assert ours.memory.n_seen == theirs.memory.n_seen == 3
