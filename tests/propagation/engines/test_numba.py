from typing import Any

import numpy as np
import pytest
import torch
from contracts.engine import EPSILON, EngineContract, assert_same, roll
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import njit

from mlmd.errors import ConfigError
from mlmd.models import VelocityPredictor
from mlmd.propagation import Adaptive, EagerEngine
from mlmd.propagation.engines.cpu import NumbaEngine, has_compiled_form, kernel
from mlmd.propagation.engines.cpu.lanes import LANES, float_lanes, load, store
from mlmd.propagation.engines.cpu.network import _tanh_ratio
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState
from mlmd.systems import VibratingRegime

VARIANTS = [
    {"components": "cartesian", "target": "velocity"},
    {"components": "cartesian", "target": "velocity", "shortcut": False},
    {"components": "cartesian", "target": "update"},
    {"components": "cartesian", "target": "velocity", "shortcut": False, "frame": "molecule"},
    {"components": "cartesian", "target": "update", "frame": "molecule"},
    {"components": "molecular", "target": "velocity", "shortcut": False},
    {"components": "molecular", "target": "update"},
    {"components": "molecular", "target": "update", "network": False},
    {"components": "cartesian", "target": "update", "shortcut": "held", "network": False},
]
MEMORIES = [{}, *({"memory_kind": "window", "memory_length": length} for length in (1, 2, 5))]


class TestContract(EngineContract):
    @pytest.fixture(params=[1, 2])
    def make_engine(self, request: Any) -> Any:
        return lambda: NumbaEngine(threads=request.param)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    variant=st.sampled_from(VARIANTS),
    memory=st.sampled_from(MEMORIES),
    coordinate_frames=st.integers(0, 3),
    history=st.integers(1, 4),
    n_layers=st.integers(1, 3),
    hidden_size=st.integers(1, 70),
    n_replicas=st.sampled_from([1, 2, 5, 6, LANES, LANES + 1, 2 * LANES + 3]),
)
def test_any_size_gives_the_eager_trajectory(
    variant: Any,
    memory: Any,
    coordinate_frames: int,
    history: int,
    n_layers: int,
    hidden_size: int,
    n_replicas: int,
    hcl_morse: Any,
    float_predictor: Any,
    rotating_states: Any,
) -> None:
    sizes = {"coordinate_frames": coordinate_frames, "history": history}
    predictor = float_predictor(**variant, **memory, **sizes, n_layers=n_layers, hidden_size=hidden_size)
    states = rotating_states(hcl_morse, n_replicas)
    expected, actual = (
        roll(hcl_morse, predictor, states, engine, n_steps=36, every=2)[1]
        for engine in (EagerEngine(), NumbaEngine(threads=1))
    )
    assert_same(actual, expected, dt_fs=hcl_morse.dt_fs, n_steps=36)


@pytest.mark.parametrize("changes", [{"frame": "molecule", "components": "cartesian"}, {}])
def test_a_bond_that_does_not_turn(hcl_morse: Any, float_predictor: Any, changes: Any) -> None:
    """Nothing lies across the bond, so the axis across it is chosen by rule, and by the same rule."""
    states = VibratingRegime(4.0).draw(hcl_morse, 7, generator=torch.Generator().manual_seed(2))
    expected, actual = (
        roll(hcl_morse, float_predictor(**changes), states, engine, n_steps=40)[1]
        for engine in (EagerEngine(), NumbaEngine())
    )
    assert_same(actual, expected, dt_fs=hcl_morse.dt_fs, n_steps=40)


@pytest.mark.parametrize("n_replicas", [3, 50])
def test_threads_do_not_change_a_bit(
    n_replicas: int, hcl_morse: Any, float_predictor: Any, rotating_states: Any
) -> None:
    states, predictor = rotating_states(hcl_morse, n_replicas), float_predictor()
    one, three = (roll(hcl_morse, predictor, states, NumbaEngine(threads=threads), n_steps=40)[1] for threads in (1, 3))
    assert torch.equal(one.positions, three.positions)
    assert torch.equal(one.kicks, three.kicks)


@pytest.mark.parametrize("n_replicas", [2, 12])
def test_a_lost_replica_does_not_spoil_the_others(
    n_replicas: int, hcl_morse: Any, float_predictor: Any, rotating_states: Any
) -> None:
    positions, velocities = rotating_states(hcl_morse, n_replicas)
    predictor = float_predictor()
    whole = roll(hcl_morse, predictor, (positions, velocities), NumbaEngine(), n_steps=30)[1]
    broken = positions.clone()
    broken[1] = float("nan")
    partly = roll(hcl_morse, predictor, (broken, velocities), NumbaEngine(), n_steps=30)[1]
    others = [replica for replica in range(n_replicas) if replica != 1]
    assert torch.equal(whole.positions[others], partly.positions[others])
    assert torch.isnan(partly.positions[1]).all()


def test_the_adaptive_schedule_receives_the_same_disagreement(
    hcl_morse: Any, float_predictor: Any, rotating_states: Any
) -> None:
    def injections(engine: Any) -> tuple[int, int]:
        schedule = Adaptive(tolerance=0.4, shortest=3, longest=20)
        states = rotating_states(hcl_morse, 3)
        propagator, _ = roll(hcl_morse, float_predictor(), states, engine, n_steps=150, schedule=schedule)
        return propagator.n_force_calls, schedule.interval

    expected = injections(EagerEngine())
    assert injections(NumbaEngine()) == expected
    assert expected[0] not in (138 // 3, 138 // 20)  # it has adapted


def test_tanh_is_float32_tanh() -> None:
    @njit
    def tanh(x, over, under):  # type: ignore[no-untyped-def]
        for i in range(0, len(x), LANES):
            p, q = _tanh_ratio(load(x, i, float_lanes(0.0)))
            store(over, i, p)
            store(under, i, q)

    x = np.linspace(-20.0, 20.0, 16 * 20_000, dtype=np.float32)
    over, under = np.empty_like(x), np.empty_like(x)
    tanh(x, over, under)
    exact = np.tanh(x.astype(np.float64))
    assert np.abs(over / under / exact - 1.0).max() < 3.1e-7


def test_frames_outside_the_buffer_are_refused(hcl_morse: Any, float_predictor: Any, rotating_states: Any) -> None:
    propagator, _ = roll(hcl_morse, float_predictor(), rotating_states(hcl_morse, 1), NumbaEngine(), n_steps=20)
    buffer = FrameBuffer(propagator.state, first_step=20, n_steps=5)
    with pytest.raises(IndexError, match=r"steps 20 to 26 leave those of the frame buffer, range\(20, 25\)"):
        propagator.dynamics.engine.advance(propagator.state, propagator.learned, 6, dt_fs=0.5, frames=buffer)


@pytest.mark.parametrize("threads", [0, -2])
def test_no_threads_are_refused(threads: int) -> None:
    with pytest.raises(ConfigError, match=f"engine.threads = {threads} must be at least 1"):
        NumbaEngine(threads=threads)


def test_an_unknown_decomposition_is_refused(hcl_morse: Any, float_predictor: Any, rotating_states: Any) -> None:
    class Unheard:
        pass

    predictor = float_predictor()
    predictor.decomposition = Unheard()
    assert not has_compiled_form(predictor.decomposition)
    with pytest.raises(ConfigError, match="engine=numba has no compiled form of Unheard; use engine=eager"):
        roll(hcl_morse, predictor, rotating_states(hcl_morse, 1), NumbaEngine(), n_steps=2)


@pytest.mark.parametrize("n_replicas", [1, 6])
@pytest.mark.parametrize("coordinate_frames", [0, 2])
def test_many_atoms(n_replicas: int, coordinate_frames: int, make_spec: Any) -> None:
    """Fifteen components in the lab frame, against the eager engine."""
    atoms = {"symbols": ("C",) * 5, "masses_u": (12.0, 13.0, 14.0, 15.0, 16.0)}
    spec = make_spec(components="cartesian", target="velocity", coordinate_frames=coordinate_frames, **atoms)
    predictor = VelocityPredictor(spec).eval()
    torch.nn.init.normal_(predictor.network.head.weight, std=0.1)
    features, targets = torch.randn(400, 30 + 15 * coordinate_frames), torch.randn(400, 15)
    predictor.scaling.fit(features.double(), targets.double(), noise=0.1)
    state = MDState(0, *torch.randn(2, n_replicas, 5, 3, dtype=torch.float64))
    kick = torch.randn(n_replicas, 5, 3, dtype=torch.float64)
    ends = []
    for engine in (EagerEngine(), NumbaEngine()):
        learned = LearnedKick(predictor, n_replicas)
        engine.bind(learned)
        frames = FrameBuffer(state, first_step=0, n_steps=8)
        with torch.no_grad():
            for _ in range(2):  # the first gives the last update
                engine.follow(state, learned, kick)
            end, kicks = engine.advance(state, learned, 8, dt_fs=0.5, frames=frames)
        ends.append((end.positions, kicks, frames.velocities))
    for expected, actual in zip(*ends, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0.0, atol=8 * 8 * EPSILON * float(expected.abs().max()))


def test_the_kernel_is_compiled_where_no_cache_can_be_written(monkeypatch):
    def without_a_folder(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'stretch': no locator available")
        return njit(**options)

    monkeypatch.setattr(kernel, "njit", without_a_folder)
    assert callable(kernel.stretch_kernel.__wrapped__())
