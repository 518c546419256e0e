"""What every engine must do: the eager engine's trajectory, to float32 round-off."""

from collections.abc import Callable
from typing import Any

import torch

from mlmd.propagation import Dynamics, Engine, Injection, Periodic, Propagator
from mlmd.propagation.engines import EagerEngine
from mlmd.state import Trajectory

EPSILON = torch.finfo(torch.float32).eps


def roll(
    system: Any, predictor: Any, states: Any, engine: Engine, *, n_steps: int, schedule: Any = None, every: int = 1
) -> tuple[Propagator, Trajectory]:
    """A rollout that starts ML at step 12."""
    injection = Injection(schedule or Periodic(0.1))
    propagator = Propagator.begin(
        Dynamics(system=system, injection=injection, predictor=predictor, start_step=12, engine=engine), *states
    )
    return propagator, propagator.advance(n_steps, every=every)


def assert_same(actual: Trajectory, expected: Trajectory, *, dt_fs: float, n_steps: int) -> None:
    """Compare within the growth of float32 round-off.

    A step's kick carries a float32 rounding of what the network says, at most a kick's size. Errors feed back through
    the inputs; over ``n_steps`` steps of a bounded motion they add up, each as large as the first.
    """
    size = expected.kicks.abs().max()
    kick_error = n_steps * EPSILON * float(size)
    assert torch.equal(actual.steps, expected.steps)
    torch.testing.assert_close(actual.kicks, expected.kicks, rtol=0.0, atol=kick_error)
    torch.testing.assert_close(actual.velocities, expected.velocities, rtol=0.0, atol=n_steps * kick_error)
    bound = n_steps * dt_fs * n_steps * kick_error
    torch.testing.assert_close(actual.positions, expected.positions, rtol=0.0, atol=bound)


class EngineContract:
    """Subclasses give ``make_engine`` as a fixture; ``float_predictor`` and ``rotating_states`` come from conftest."""

    def test_gives_the_eager_trajectory(
        self, make_engine: Callable[[], Engine], hcl_morse: Any, float_predictor: Any, rotating_states: Any
    ) -> None:
        states = rotating_states(hcl_morse, 3)
        predictor = float_predictor()
        expected = roll(hcl_morse, predictor, states, EagerEngine(), n_steps=60)[1]
        actual = roll(hcl_morse, predictor, states, make_engine(), n_steps=60)[1]
        assert_same(actual, expected, dt_fs=hcl_morse.dt_fs, n_steps=60)

    def test_frames_at_a_stride_are_those_of_every_step(
        self, make_engine: Callable[[], Engine], hcl_morse: Any, float_predictor: Any, rotating_states: Any
    ) -> None:
        states, predictor = rotating_states(hcl_morse, 3), float_predictor()
        every_step = roll(hcl_morse, predictor, states, make_engine(), n_steps=50)[1]
        strided = roll(hcl_morse, predictor, states, make_engine(), n_steps=50, every=7)[1]
        assert strided.steps.tolist() == list(range(0, 50, 7))
        assert torch.equal(strided.positions, every_step.positions[:, ::7])
        assert torch.equal(strided.kicks, every_step.kicks[:, ::7])

    def test_same_input_same_numbers(
        self, make_engine: Callable[[], Engine], hcl_morse: Any, float_predictor: Any, rotating_states: Any
    ) -> None:
        states, predictor = rotating_states(hcl_morse, 3), float_predictor()
        first, second = (roll(hcl_morse, predictor, states, make_engine(), n_steps=50)[1] for _ in range(2))
        assert torch.equal(first.positions, second.positions)

    def test_a_run_goes_on_with_another_engine(
        self, make_engine: Callable[[], Engine], hcl_morse: Any, float_predictor: Any, rotating_states: Any
    ) -> None:
        states = rotating_states(hcl_morse, 3)
        predictor = float_predictor(memory_kind="window", memory_length=5, coordinate_frames=3, history=4)
        whole = roll(hcl_morse, predictor, states, EagerEngine(), n_steps=60)[1].frames(35, 60)
        for first, second in ((EagerEngine(), make_engine()), (make_engine(), EagerEngine())):
            saved = roll(hcl_morse, predictor, states, first, n_steps=35)[0].state_dict()
            dynamics = roll(hcl_morse, predictor, states, second, n_steps=1)[0].dynamics
            propagator = Propagator.restore(dynamics, saved)
            assert_same(propagator.advance(25), whole, dt_fs=hcl_morse.dt_fs, n_steps=60)

    def test_a_saved_state_does_not_move(
        self, make_engine: Callable[[], Engine], hcl_morse: Any, float_predictor: Any, rotating_states: Any
    ) -> None:
        propagator, _ = roll(hcl_morse, float_predictor(), rotating_states(hcl_morse, 3), make_engine(), n_steps=30)
        saved = propagator.state_dict()
        before = [part.clone() for part in (*saved["learned"]["network"], saved["learned"]["last_update"])]
        positions = saved["positions"].clone()
        propagator.advance(10)
        after = [*saved["learned"]["network"], saved["learned"]["last_update"]]
        assert all(torch.equal(was, now) for was, now in zip(before, after, strict=True))
        assert torch.equal(positions, saved["positions"])
