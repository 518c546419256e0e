from unittest.mock import Mock

import pytest
import torch

from mlmd.errors import ConfigError
from mlmd.evaluation.rollouts import RolloutPlan
from mlmd.propagation import Injection, Periodic
from mlmd.training import RolloutValidation

INJECTIONS = {"never": Injection(Periodic(0.0)), "every_10": Injection(Periodic(0.1))}


@pytest.fixture
def make_callback(hcl_morse, rotating_states):
    def make(every_n_epochs, progress=None):
        return RolloutValidation(
            hcl_morse,
            val_plan=RolloutPlan(INJECTIONS, 30, 2, 16),
            val_initial=rotating_states(hcl_morse, 2, seed=5),
            test_plan=RolloutPlan(INJECTIONS, 60, 3, 16),
            test_initial=rotating_states(hcl_morse, 3, seed=6),
            every_n_epochs=every_n_epochs,
            progress=progress or Mock(),
        )

    return make


@pytest.mark.parametrize(
    ("every_n_epochs", "epochs"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (3, [3, 5]), (9, [5])]
)
def test_rollouts_come_every_so_many_epochs_and_at_the_last(make_callback, make_module, fit, every_n_epochs, epochs):
    callback = make_callback(every_n_epochs)
    seen = []
    log = callback._log
    module = make_module()

    def note(pl_module, prefix, results):
        seen.append((prefix, pl_module.current_epoch + 1))
        log(pl_module, prefix, results)

    callback._log = note
    fit(module, callback, max_epochs=5)
    assert seen == [("val", epoch) for epoch in epochs]


def test_scores_are_logged_by_schedule(make_callback, make_module, fit):
    metrics = fit(make_module(), make_callback(1), max_epochs=1).callback_metrics
    for name, calls in (("never", 0), ("every_10", 3)):
        assert float(metrics[f"val/{name}/force_calls"]) == calls
        assert float(metrics[f"val/{name}/n_steps"]) == 30
        assert metrics[f"val/{name}/energy_error_median"].dtype == torch.float64
        assert float(metrics[f"val/{name}/energy_error_median"]) > 0.0


def test_the_test_rolls_out_longer_from_states_of_its_own(make_callback, make_module, fit):
    told = []
    callback = make_callback(0, progress=lambda *news: told.append(news))
    module = make_module()
    trainer = fit(module, callback)
    assert callback.test_results == {}
    logged = trainer.test(module, datamodule=trainer.data, verbose=False)[0]
    assert set(callback.test_results) == set(INJECTIONS)
    assert told == [(name, 60, 60) for name in ("reference", *INJECTIONS)]
    for name, result in callback.test_results.items():
        assert result.n_replicas == 3
        assert result.curves.n_frames == 60
        for quantity, value in result.metrics.items():
            assert logged[f"rollout/{name}/{quantity}"] == value


def test_a_validation_changes_nothing_in_training(make_callback, make_module, fit):
    plain, watched = make_module(), make_module()
    fit(plain, max_epochs=2)
    fit(watched, make_callback(1), max_epochs=2)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


@pytest.mark.parametrize("every_n_epochs", [-1, None])
def test_a_negative_period_is_refused(make_callback, every_n_epochs):
    with pytest.raises(ConfigError, match=r"rollout\.every_n_epochs = .* must not be negative"):
        make_callback(every_n_epochs)
