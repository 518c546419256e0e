import itertools

import pytest
import torch

from mlmd.data.module import BatchPlan, TrajectoryDataModule, VisitedData
from mlmd.data.visited_states import VisitedStates
from mlmd.errors import ConfigError
from mlmd.state import Trajectory
from mlmd.training import OptimizerPlan, RetrainingPlan, SoapPlan

PLAN = {
    "rounds": 3,
    "n_replicas": 64,
    "n_steps": 200,
    "max_epochs": 5,
    "learning_rate_factor": 0.3,
    "share": 0.5,
    "correction": 0.0,
    "frequency": 0.04,
}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rounds", -1, "a whole number of at least 0"),
        ("rounds", 1.5, "a whole number of at least 0"),
        ("n_replicas", 0, "a whole number of at least 1"),
        ("n_steps", 0, "a whole number of at least 1"),
        ("max_epochs", 0, "a whole number of at least 1"),
        ("learning_rate_factor", 0.0, "must be positive"),
        ("learning_rate_factor", float("nan"), "must be positive"),
        ("share", 0.0, "must lie above 0"),
        ("share", 1.1, "must lie above 0"),
        ("correction", -0.1, r"must lie in \[0, 1\]"),
        ("correction", float("nan"), r"must lie in \[0, 1\]"),
        ("frequency", -0.1, "must be at least 0"),
        ("frequency", 1.0, "must be at least 0"),
    ],
)
def test_a_plan_out_of_range_is_refused(name, value, words):
    with pytest.raises(ConfigError, match=rf"retraining\.{name} = {value} .*{words}"):
        RetrainingPlan(**PLAN | {name: value})


def test_rollouts_must_hold_a_stretch():
    RetrainingPlan(**PLAN).check_length(200)
    with pytest.raises(ConfigError, match=r"retraining\.n_steps = 200 must be at least 201, the frames of one"):
        RetrainingPlan(**PLAN).check_length(201)
    RetrainingPlan(**PLAN | {"rounds": 0}).check_length(201)


@pytest.mark.parametrize("kind", [OptimizerPlan, SoapPlan])
def test_a_round_has_the_optimizer_at_a_lower_rate(kind):
    plan = kind(learning_rate=2e-2, schedule="one_cycle", weight_decay=1e-4, gradient_clip=2.0)
    lower = RetrainingPlan(**PLAN).optimizer(plan)
    assert lower == kind(learning_rate=6e-3, schedule="one_cycle", weight_decay=1e-4, gradient_clip=2.0)


def test_validation_has_a_quarter_of_the_replicas():
    assert [RetrainingPlan(**PLAN | {"n_replicas": n}).n_val_replicas for n in (1, 4, 64)] == [1, 1, 16]


@pytest.fixture
def marked(reference, hcl_morse):
    """Visited states that show in inputs and targets: a reference trajectory with every target kick doubled."""

    def make(n_replicas, length=17):
        run = reference(hcl_morse, length, n_replicas)
        run = Trajectory(run.steps, run.positions, run.velocities, run.kicks)
        return VisitedStates(run, 2.0 * run.kicks, n_visited=n_replicas * length, n_force_calls=0)

    return make


@pytest.fixture
def served(make_module, reference, hcl_morse, marked, fit):
    """A data module in a round of retraining, and the module it serves."""

    def make(share, n_val=2, purpose="retraining 1"):
        module = make_module()
        trainer = fit(module)
        splits = {name: reference(hcl_morse, 50) for name in ("train", "val", "test")}
        plan = BatchPlan(sequence_length=16, batch_size=10, batches_per_epoch=4, noise=0.0)
        visited = VisitedData(marked(4), marked(n_val), share, purpose)
        data = TrajectoryDataModule(splits, predictor=module.predictor, plan=plan, seed=1, visited=visited)
        data.trainer = trainer
        return data, module

    return make


def is_visited(data, targets):
    """By stretch: whether its targets are those of the marked states."""
    scaling, states = data.predictor.scaling, data.visited.train
    known = scaling.network_targets(*data.predictor.training_pairs(states.trajectory, states.target_kicks)).float()
    return [any(torch.equal(row, one) for one in known) for row in targets]


@pytest.mark.parametrize(("share", "n_visited"), [(0.5, 5), (0.01, 1), (0.84, 8), (1.0, 10)])
def test_a_batch_has_its_share_of_visited_states(served, share, n_visited):
    data, _ = served(share)
    batches = list(data.train_dataloader())
    assert len(batches) == len(data.train_dataloader()) == 4
    for inputs, targets in batches:
        assert inputs.shape[:2] == targets.shape[:2] == (10, 16)
        assert is_visited(data, targets) == [False] * (10 - n_visited) + [True] * n_visited


def test_a_round_draws_batches_of_its_own(served):
    def drawn(purpose):
        return next(iter(served(0.5, purpose=purpose)[0].train_dataloader()))[0]

    assert torch.equal(drawn("retraining 1"), drawn("retraining 1"))
    assert not torch.equal(drawn("retraining 1")[:5], drawn("retraining 2")[:5])


def test_validation_sees_visited_states_beside_the_trajectories(served):
    data, module = served(0.5)
    reference, visited = data.val_dataloader()
    assert (len(reference), len(visited)) == (4, 5)
    assert torch.equal(visited[4], data.visited.val.target_kicks)
    losses, counted = [], []
    module.log = lambda name, value, **_: losses.append(float(value)) if name == "val/loss" else None
    with torch.no_grad():
        for batch in (reference, visited):
            module.validation_step(batch, 0)
            counted.append(float(module.accuracy.size_sum))
            module.validation_step(batch[:4], 0)
    assert losses[0] == losses[1]
    assert losses[2] > 10.0 * losses[3], "the doubled kicks are the targets"
    assert counted[1] == pytest.approx(2 * counted[0]), "the accuracy is that of the trajectories alone"


def test_without_visited_states_to_validate_there_is_one_batch(served):
    data, _ = served(0.5, n_val=3)
    states = data.visited.val
    none = VisitedStates(states.trajectory.frames(0, 17, slice(0, 0)), states.target_kicks[:0], 51, 0)
    data.visited = VisitedData(data.visited.train, none, 0.5, "retraining 1")
    assert len(list(itertools.islice(data.val_dataloader(), 3))) == len(data.val_dataloader()) == 1
