from collections.abc import Callable
from typing import Any

import pytest

from mlmd.models import VelocityPredictor


@pytest.fixture(scope="session")
def float_predictor(make_predictor: Any, reference: Any, hcl_morse: Any) -> Callable[..., VelocityPredictor]:
    """A float32 predictor of HCl (Morse) whose network speaks, near enough to the truth to stay bounded."""
    trajectory = reference(hcl_morse, 60)

    def make(**changes: Any) -> VelocityPredictor:
        predictor: VelocityPredictor = make_predictor(trajectory, **({"says": 0.1, "noise": 0.02} | changes))
        predictor.network.float()
        return predictor

    return make
