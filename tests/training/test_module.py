from unittest.mock import Mock

import pytest
import torch
from lightning import Callback

from mlmd.data.module import BatchPlan, TrajectoryDataModule
from mlmd.errors import ConfigError
from mlmd.models import PredictorSpec, VelocityPredictor
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.state import Trajectory
from mlmd.training import OptimizerPlan, SequenceLoss


def fields(trajectory: Trajectory):
    return trajectory.steps, trajectory.positions, trajectory.velocities, trajectory.kicks


def test_the_loss_is_that_of_every_step_after_the_warm_up(make_module, monkeypatch):
    module = make_module()
    inputs, targets = torch.randn(3, 12, module.predictor.network.lstm.input_size), torch.randn(3, 12, 1)
    prediction, _ = module.predictor.network(inputs)
    n_skipped = module.predictor.memory.n_skipped
    assert n_skipped == 8
    expected = (prediction[:, n_skipped:] - targets[:, n_skipped:]).square().mean()
    monkeypatch.setattr(module, "log", Mock())
    torch.testing.assert_close(module.training_step((inputs, targets), 0), expected)


@pytest.mark.parametrize("floor", [0.1, 2.0])
def test_the_relative_loss_weighs_stretches_by_their_size(floor):
    prediction, target = torch.randn(2, 30, 1), torch.randn(2, 30, 1)
    target[1] *= 1e-3
    loss = SequenceLoss(floor)(prediction, target)
    parts = [
        float(((a - b) ** 2).mean()) / (float((b**2).mean()) + floor**2)
        for a, b in zip(prediction, target, strict=True)
    ]
    assert float(loss) == pytest.approx(sum(parts) / 2, rel=1e-5)


def test_a_floor_that_is_not_positive_is_refused():
    with pytest.raises(ConfigError, match=r"loss\.floor = 0 must be positive"):
        SequenceLoss(0)


def test_training_lowers_the_loss_and_logs_what_selects(make_module, fit):
    module = make_module(learning_rate=3e-2)
    before = {name: value.clone() for name, value in module.predictor.state_dict().items()}
    first = fit(module, max_epochs=1).callback_metrics["val/loss"]
    last = fit(module, max_epochs=15).callback_metrics
    assert float(last["val/loss"]) < 0.8 * float(first)
    assert set(last) >= {"train/loss", "val/loss", "val/velocity_accuracy_percent"}
    after = module.predictor.state_dict()
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"network"}, "scales stay as they were fitted"


def test_the_test_measures_one_step_velocities(make_module, fit):
    module = make_module()
    trainer = fit(module)
    measured = trainer.test(module, datamodule=trainer.data, verbose=False)[0]
    with torch.no_grad():
        predicted, linear, true = module.predictor.predict_velocities(trainer.data.splits["test"])
    for prefix, velocities in (("", predicted), ("linear_", linear)):
        expected = 100.0 * (1.0 - float((velocities - true).abs().sum() / true.abs().sum()))
        assert measured[f"test/{prefix}velocity_accuracy_percent"] == pytest.approx(expected, rel=1e-9)
    assert measured["test/velocity_mae_A_per_fs"] == pytest.approx(float((predicted - true).abs().mean()), rel=1e-9)
    counted = true.abs() > 1e-4
    mape = 100.0 * ((predicted - true).abs() / true.abs())[counted].mean()
    assert measured["test/velocity_mape_percent"] == pytest.approx(float(mape), rel=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_the_learning_rate_follows_its_plan(make_module, fit, schedule):
    rates = []

    class Watch(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    fit(make_module(schedule=schedule, learning_rate=2e-3), Watch(), max_epochs=4)
    assert len(rates) == 12
    if schedule == "constant":
        assert rates == [2e-3] * 12
    else:
        assert max(rates) == pytest.approx(2e-3, rel=0.1)
        assert rates[0] == pytest.approx(2e-3 / 25)
        assert rates[-1] < rates[0] / 10


def test_a_checkpoint_describes_itself_in_plain_values(make_module, fit, tmp_path):
    module = make_module()
    trainer = fit(module)
    trainer.save_checkpoint(tmp_path / "mine.ckpt")
    stored = torch.load(tmp_path / "mine.ckpt", weights_only=True)
    assert stored["mlmd"]["config"] == {"seed": 1}
    spec = PredictorSpec.from_dict(stored["mlmd"]["spec"])
    assert spec == module.predictor.spec
    weights = {key.removeprefix("predictor."): value for key, value in stored["state_dict"].items()}
    fresh = VelocityPredictor(spec)
    fresh.load_state_dict(weights)
    run = trainer.data.splits["test"]
    assert torch.equal(fresh.predict_velocities(run)[0], module.predictor.predict_velocities(run)[0])


def test_weights_of_one_variant_do_not_load_into_another(make_predictor, reference, hcl_harmonic, make_spec):
    weights = make_predictor(reference(hcl_harmonic), components="molecular").state_dict()
    for changes in ({"components": "cartesian"}, {"coordinate_frames": 1}, {"hidden_size": 6}, {"n_layers": 1}):
        with pytest.raises(RuntimeError, match=r"size mismatch|Unexpected key"):
            VelocityPredictor(make_spec(**changes)).load_state_dict(weights)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learning_rate": 0.0}, r"optimizer\.learning_rate = 0\.0 must be positive"),
        ({"schedule": "cosine"}, r"optimizer\.schedule = 'cosine' is unknown; known: 'constant', 'one_cycle'"),
        ({"weight_decay": -1.0}, r"optimizer\.weight_decay = -1\.0 must not be negative"),
        ({"gradient_clip": 0.0}, r"optimizer\.gradient_clip = 0\.0 must be positive"),
    ],
)
def test_an_optimizer_out_of_range_is_refused(change, words):
    plan = {"learning_rate": 1e-2, "schedule": "constant", "weight_decay": 0.0, "gradient_clip": 1.0} | change
    with pytest.raises(ConfigError, match=words):
        OptimizerPlan(**plan)


def test_a_stretch_must_outlast_the_warm_up(make_module, reference, hcl_morse):
    module, run = make_module(), reference(hcl_morse, 60)
    splits = dict.fromkeys(("train", "val", "test"), run)
    with pytest.raises(ConfigError, match=r"data\.batches\.sequence_length = 8 must exceed the 8 steps that"):
        TrajectoryDataModule(splits, predictor=module.predictor, plan=BatchPlan(8, 4, 3, 0.0), seed=1)


def test_validation_reads_other_trajectories_whole(make_module, hcl_morse, rotating_states):
    def run(seed):
        states = rotating_states(hcl_morse, seed=seed)
        return Propagator.begin(reference_dynamics(hcl_morse), *states).advance(40)

    splits = {"train": run(1), "val": run(2), "test": run(3)}
    data = TrajectoryDataModule(splits, predictor=make_module().predictor, plan=BatchPlan(16, 4, 3, 0.0), seed=1)
    for loader, split in ((data.val_dataloader(), "val"), (data.test_dataloader(), "test")):
        (batch,) = loader
        assert len(loader) == 1
        assert all(a is b for a, b in zip(batch, fields(splits[split]), strict=True))
        assert not torch.equal(batch[1][:, 0], splits["train"].positions[:, 0])
