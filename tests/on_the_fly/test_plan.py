import pytest

from mlmd.errors import ConfigError
from mlmd.on_the_fly import OnTheFlyPlan

from .conftest import PLAN


@pytest.mark.parametrize("name", PLAN)
def test_values_below_their_minimum_are_refused(name):
    with pytest.raises(ConfigError, match=f"on_the_fly.{name} = -1 must be"):
        OnTheFlyPlan(**(PLAN | {name: -1}))


def test_held_out_steps_leave_some_to_learn_from():
    with pytest.raises(ConfigError, match="first_steps = 60 leaves nothing to learn from"):
        OnTheFlyPlan(**(PLAN | {"first_steps": 60}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"held_out_steps": 50}, "held_out_steps = 50 is too short: 10 steps of history"),
        ({"first_steps": 90}, "first_steps = 90 is too short to learn from: it must be at least 93"),
        ({"fallback_steps": 92}, "fallback_steps = 92 is too short to learn from: it must be at least 93"),
    ],
)
def test_lengths_fit_the_predictor(changes, words):
    OnTheFlyPlan(**PLAN).check_history(10, 33)
    with pytest.raises(ConfigError, match=words):
        OnTheFlyPlan(**(PLAN | changes)).check_history(10, 33)
