"""The graphs' route of the cuda engine on the CPU, where its step is called instead of replayed."""

from functools import partial
from typing import Any

import pytest
import torch
from contracts.engine import EngineContract, assert_same, roll

from mlmd.propagation import EagerEngine
from mlmd.propagation.engines.cuda import CudaEngine


@pytest.fixture(autouse=True)
def _without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")


class TestContract(EngineContract):
    @pytest.fixture
    def make_engine(self) -> Any:
        return partial(CudaEngine, kernel=False)


@pytest.mark.parametrize(
    "variant",
    [
        {"components": "cartesian", "target": "velocity", "shortcut": False, "n_layers": 3},
        {"components": "cartesian", "frame": "molecule", "coordinate_frames": 3},
        {"components": "cartesian", "coordinate_frames": 2, "memory_kind": "window", "memory_length": 4},
        {"memory_kind": "window", "memory_length": 7, "coordinate_frames": 1},
        {"history": 4, "coordinate_frames": 3},
        {"history": 4, "network": False, "hidden_size": 1},
    ],
)
def test_every_variant_takes_the_same_operations(
    hcl_morse: Any, float_predictor: Any, rotating_states: Any, variant: Any
) -> None:
    states, predictor = rotating_states(hcl_morse, 3), float_predictor(**variant)
    expected = roll(hcl_morse, predictor, states, EagerEngine(), n_steps=60, every=3)[1]
    engine = CudaEngine(kernel=False)
    actual = roll(hcl_morse, predictor, states, engine, n_steps=60, every=3)[1]
    assert engine.description == "cuda, 3 replicas, CUDA graphs, because they were asked for"
    assert_same(actual, expected, dt_fs=hcl_morse.dt_fs, n_steps=1)


def test_past_states_and_kicks_stay_as_they_were(hcl_morse: Any, float_predictor: Any, rotating_states: Any) -> None:
    propagator, _ = roll(
        hcl_morse, float_predictor(), rotating_states(hcl_morse, 2), CudaEngine(kernel=False), n_steps=30
    )
    state, kicks = propagator.state, list(propagator._past)
    before = [part.clone() for part in (state.positions, state.velocities, *kicks)]
    propagator.advance(7)
    for was, now in zip(before, (state.positions, state.velocities, *kicks), strict=True):
        assert torch.equal(was, now)
