"""What a longer history and a shortcut without an LSTM read and say."""

import pytest
import torch

from mlmd.state import Trajectory


def swinging(frequencies, *, n_replicas=6, n_steps=60):
    """An HCl bond along x that swings with the given angular frequencies per step, each with a phase and size of its
    own in every replica, as half-step velocities and kicks see it."""
    generator = torch.Generator().manual_seed(5)
    n_frequencies, times = len(frequencies), torch.arange(-1, n_steps + 1, dtype=torch.float64)
    phases, sizes = torch.rand(2, n_replicas, n_frequencies, 1, generator=generator, dtype=torch.float64)
    angles = torch.tensor(frequencies, dtype=torch.float64)[:, None] * times + 6.28 * phases
    bond = 1.27 + (0.05 * (0.5 + sizes) * angles.cos()).sum(dim=1)
    positions = torch.zeros(n_replicas, n_steps + 2, 2, 3, dtype=torch.float64)
    positions[:, :, 1, 0] = bond
    after = (positions[:, 1:] - positions[:, :-1]) / 0.5
    before, after = after[:, :-1], after[:, 1:]
    return Trajectory(torch.arange(n_steps), positions[:, 1:-1], 0.5 * (before + after), after - before)


@pytest.fixture(scope="module")
def run(reference, hcl_morse):
    return reference(hcl_morse, 60)


def test_pairs_are_the_latest_newest_first(make_predictor, run):
    predictor = make_predictor(run, components="cartesian", history=3)
    features, _ = predictor.training_pairs(run)
    assert features.shape == (3, 57, 36)
    for back in range(3):
        pair = features[:, :, 12 * back : 12 * (back + 1)]
        assert torch.equal(pair[..., :6], run.velocities_before[:, 3 - back : 60 - back].flatten(-2))
        assert torch.equal(pair[..., 6:], run.kicks[:, 2 - back : 59 - back].flatten(-2))


@pytest.mark.parametrize(("frequencies", "history"), [([0.3], 1), ([0.3, 0.5], 3), ([0.3, 0.5, 0.9], 5)])
@torch.no_grad()
def test_a_history_of_twice_the_frequencies_is_exact(make_predictor, frequencies, history):
    """Each frequency takes two past velocities more; a pair holds two, and shares one with the next."""
    known, new = swinging(frequencies), swinging(frequencies, n_replicas=9)
    for length, is_exact in ((history, True), (history + 4, True), (history - 1, False)):
        if length == 0:
            continue
        predictor = make_predictor(known, history=length, network=False)
        features, targets = predictor.training_pairs(new)
        error = (predictor.predict_sequence(features) - targets).abs().max() / targets.abs().max()
        assert (float(error) < 1e-9) == is_exact, (length, error)
        assert (make_predictor(known, history=length).scaling.n_learned == 0) == is_exact


def test_inputs_that_repeat_each_other_share_their_weight(make_predictor, reference, hcl_harmonic):
    """On a harmonic bond all but two numbers of a long history are told by the others; no weight grows for it."""
    predictor = make_predictor(reference(hcl_harmonic, 120), history=20, network=False)
    assert predictor.scaling.weights.numel() == 60
    assert float(predictor.scaling.weights.abs().max()) < 1.0


@torch.no_grad()
def test_one_pair_alone_is_the_shortcut_beside_an_lstm(make_predictor, run):
    alone, beside = make_predictor(run, network=False), make_predictor(run)
    features, _ = alone.training_pairs(run)
    assert torch.equal(alone.scaling.weights, beside.scaling.weights)
    assert torch.equal(alone.predict_sequence(features), beside.scaling.linear(features))
    assert (alone.scaling.n_learned, beside.scaling.n_learned) == (0, 1)


@pytest.mark.parametrize(("changes", "update"), [({}, slice(2, 3)), ({"components": "cartesian"}, slice(6, 12))])
@torch.no_grad()
def test_a_held_kick_is_the_last_one(make_predictor, run, changes, update):
    for target in ("update", "velocity"):
        predictor = make_predictor(run, shortcut="held", network=False, history=2, target=target, **changes)
        features, _ = predictor.training_pairs(run)
        assert torch.equal(predictor.predict_sequence(features), features[..., update])
        assert predictor.scaling.fitted() == []


def test_an_lstm_learns_what_a_held_kick_leaves(make_predictor, run):
    predictor = make_predictor(run, shortcut="held")
    features, targets = predictor.training_pairs(run)
    targets_of_network = predictor.scaling.network_targets(features, targets)
    assert float(targets_of_network.square().mean()) == pytest.approx(1.0)
