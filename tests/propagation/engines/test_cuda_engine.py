"""What the cuda engine refuses, and which route it takes."""

import dataclasses
import importlib.util
from typing import Any

import pytest
import torch
from contracts.engine import roll

from mlmd.errors import ConfigError, MismatchError
from mlmd.propagation import FrameBuffer
from mlmd.propagation.engines.cuda import CudaEngine
from mlmd.propagation.engines.cuda.limits import why_not
from mlmd.propagation.engines.cuda.shapes import KernelShapes
from mlmd.propagation.kicks import LearnedKick
from mlmd.state import MDState

HOPPER_SHARED_BYTES = 232_448


def test_a_missing_gpu_is_reported(
    hcl_morse: Any, float_predictor: Any, rotating_states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ConfigError, match=r"^engine=cuda needs a GPU, the predictor is on cpu: use device=cuda or"):
        roll(hcl_morse, float_predictor(), rotating_states(hcl_morse, 2), CudaEngine(), n_steps=1)


def test_a_missing_triton_is_reported(float_predictor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"^engine=cuda needs triton: install it"):
        CudaEngine().bind(LearnedKick(float_predictor(), 2))


def test_another_time_step_is_refused(
    hcl_morse: Any, float_predictor: Any, rotating_states: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    engine, learned = CudaEngine(kernel=False), LearnedKick(float_predictor(), 2)
    engine.bind(learned)
    state = MDState(0, *rotating_states(hcl_morse, 2))
    with pytest.raises(MismatchError, match=r"learned dt_fs = 0\.5, not 0\.25"):
        engine.advance(state, learned, 1, dt_fs=0.25, frames=FrameBuffer(state, first_step=0, n_steps=1))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"hidden_size": 64}, None),
        ({"components": "cartesian", "frame": "molecule", "hidden_size": 48, "n_layers": 2}, None),
        ({"hidden_size": 32, "n_layers": 7}, None),
        ({"memory_kind": "window", "memory_length": 32}, None),
        ({"hidden_size": 65}, "hidden_size = 65 is above 64"),
        ({"hidden_size": 64, "n_layers": 3}, "the weights take 360448 bytes on chip, the GPU grants 232448"),
        ({"memory_kind": "window", "memory_length": 1}, "a window of one step is a state that it would carry"),
        ({"memory_kind": "window", "memory_length": 33}, "a window of 33 steps is longer than 32"),
        ({"network": False, "hidden_size": 1, "n_layers": 1}, None),
        ({"history": 2}, "it reads one pair of velocity and update, this predictor 2"),
        ({"components": "cartesian", "coordinate_frames": 7}, "it reads at most 64 numbers a step"),
    ],
)
def test_the_kernel_covers_a_predictor_or_gives_a_reason(
    float_predictor: Any, changes: Any, reason: str | None
) -> None:
    assert why_not(float_predictor(**changes), shared_bytes=HOPPER_SHARED_BYTES) == reason


def test_predictors_of_another_kind_are_left_to_graphs(hcl_morse: Any, float_predictor: Any, make_oracle: Any) -> None:
    def reason(predictor: Any) -> str | None:
        return why_not(predictor, shared_bytes=HOPPER_SHARED_BYTES)

    assert reason(make_oracle(hcl_morse)) == "Oracle predicts in its own way"
    double = float_predictor()
    double.network.double()
    assert reason(double) == "the network is not float32"
    huge = float_predictor()
    with torch.no_grad():
        huge.network.lstm.weight_hh_l1[3, 2] = float("nan")
    assert reason(huge) == "a weight is not below 60000"
    larger = float_predictor(components="cartesian")
    larger.spec = dataclasses.replace(larger.spec, symbols=("H", "C", "N"), masses_u=(1.0, 12.0, 14.0))
    assert reason(larger) == "it is for two atoms, this molecule has 3"


def test_few_replicas_are_spread_over_the_gpu(float_predictor: Any) -> None:
    predictor = float_predictor()
    assert KernelShapes.of(predictor, n_replicas=16 * 132, n_processors=132).block == 16
    assert KernelShapes.of(predictor, n_replicas=16 * 132 + 1, n_processors=132).block == 32
