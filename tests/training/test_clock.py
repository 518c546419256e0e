import pytest
import torch
from lightning import Callback

from mlmd.training import TrainingClock
from mlmd.training import clock as module_of_clock


@pytest.fixture
def now(monkeypatch):
    """The time, as the test sets it."""
    time = [100.0]
    monkeypatch.setattr(module_of_clock.time, "perf_counter", lambda: time[0])
    return time


class Passing(Callback):
    """A training step of two seconds, and an epoch of accuracies to come."""

    def __init__(self, now, accuracies=()):
        self.now, self.accuracies = now, list(accuracies)

    def on_train_batch_start(self, *arguments):
        self.now[0] += 2.0

    def on_validation_epoch_start(self, trainer, pl_module):
        if self.accuracies:
            accuracy = torch.tensor(self.accuracies.pop(0))
            pl_module.accuracy.compute = lambda: accuracy


def test_the_time_is_logged_with_every_validation(now, make_module, fit):
    clock = TrainingClock(began=93.0)
    trainer = fit(make_module(), Passing(now), clock, max_epochs=2)
    assert float(trainer.callback_metrics["time/train_s"]) == 2 * 3 * 2.0
    assert clock.first_step_s == 100.0 + 2.0 - 93.0


def test_an_accuracy_is_noted_when_it_is_first_reached(now, make_module, fit):
    clock = TrainingClock(began=100.0)
    fit(make_module(), Passing(now, [99.5, 99.95, 99.0, 99.993]), clock, max_epochs=4)
    assert clock.reached_s == {99.9: 12.0, 99.99: 24.0}
    assert clock.costs() == {
        "cost/first_step_s": 2.0,
        "cost/to_99.9_percent_s": 12.0,
        "cost/to_99.99_percent_s": 24.0,
    }


def test_an_accuracy_that_is_not_reached_costs_nothing(now, make_module, fit):
    clock = TrainingClock(began=100.0)
    assert clock.costs() == {}
    fit(make_module(), Passing(now, [99.91, 99.92]), clock)
    assert set(clock.costs()) == {"cost/first_step_s", "cost/to_99.9_percent_s"}


def test_a_resumed_training_goes_on_with_the_time_of_its_checkpoint(now, make_module, fit):
    first = TrainingClock(began=100.0)
    fit(make_module(), Passing(now, [99.95]), first, max_epochs=1)
    stored = first.state_dict()
    now[0] = 10_000.0
    again = TrainingClock(began=9_000.0)
    again.load_state_dict(stored)
    fit(make_module(), Passing(now, [99.95, 99.995]), again, max_epochs=2)
    assert again.reached_s == {99.9: 6.0, 99.99: 6.0 + 12.0}
    assert again.train_s == 18.0
