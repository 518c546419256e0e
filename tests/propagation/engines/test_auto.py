from typing import Any

import torch
from contracts.engine import roll

from mlmd.propagation import AutoEngine, EagerEngine
from mlmd.propagation.engines.cpu import NumbaEngine


def test_takes_the_compiled_engine_on_the_cpu_and_names_it(
    hcl_morse: Any, float_predictor: Any, rotating_states: Any
) -> None:
    auto, states, predictor = AutoEngine(threads=2), rotating_states(hcl_morse, 3), float_predictor()
    chosen = roll(hcl_morse, predictor, states, auto, n_steps=40)[1]
    assert isinstance(auto.chosen, NumbaEngine)
    assert auto.chosen.threads == 2
    assert auto.description == "auto took numba, 3 replicas, 2 threads on the CPU"
    assert torch.equal(chosen.positions, roll(hcl_morse, predictor, states, NumbaEngine(), n_steps=40)[1].positions)


def test_takes_the_eager_engine_where_nothing_is_compiled(
    hcl_morse: Any, make_oracle: Any, rotating_states: Any
) -> None:
    class Unheard:
        def __init__(self, known: Any) -> None:
            self.known = known

        def __getattr__(self, name: str) -> Any:
            return getattr(self.known, name)

    predictor = make_oracle(hcl_morse)
    predictor.decomposition = Unheard(predictor.decomposition)
    auto = AutoEngine()
    roll(hcl_morse, predictor, rotating_states(hcl_morse, 1), auto, n_steps=20)
    assert isinstance(auto.chosen, EagerEngine)
    assert auto.description == "auto took eager since this decomposition has no compiled form"
