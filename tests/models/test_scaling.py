import numpy as np
import pytest
import torch

from mlmd.models.scaling import Scaling


def data(n_rows=400, n_features=4, n_components=3, seed=0):
    """Features of very different sizes and means, as velocities and coordinates have, and nonlinear targets."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.tensor([1.0, 1e-3, 0.05, 10.0], dtype=torch.float64)[:n_features]
    features = sizes * (torch.randn(n_rows, n_features, generator=generator, dtype=torch.float64) + 2.0)
    mix = torch.randn(n_features, n_components, generator=generator, dtype=torch.float64)
    return features, 0.01 * ((features / sizes) @ mix).sin() + 0.3


def fitted(features, targets, *, shortcut=True, noise=0.0):
    scaling = Scaling(features.shape[1], targets.shape[1], shortcut=shortcut)
    scaling.fit(features, targets, noise=noise)
    return scaling


def close(ours, theirs, atol):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


def test_standardised_inputs_have_zero_mean_and_unit_variance_and_can_be_turned_back():
    features, targets = data()
    scaling = fitted(features, targets)
    inputs = scaling.standardise(features)
    close(inputs.mean(dim=0), torch.zeros(4, dtype=torch.float64), 1e-12)
    close(inputs.std(dim=0), torch.ones(4, dtype=torch.float64), 1e-12)
    torch.testing.assert_close(inputs / scaling.input_gain + scaling.input_mean, features)


@pytest.mark.parametrize("shortcut", [True, False])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_combine_inverts_network_targets(shortcut, noise):
    features, targets = data()
    scaling = fitted(features, targets, shortcut=shortcut, noise=noise)
    assert scaling.n_learned == 3
    close(scaling.combine(features, scaling.network_targets(features, targets)), targets, 1e-13)


@pytest.mark.parametrize("shortcut", [True, False])
def test_network_targets_are_uncorrelated_with_unit_variance(shortcut):
    features, targets = data()
    scaling = fitted(features, targets, shortcut=shortcut)
    outputs = scaling.network_targets(features, targets)
    close(outputs.mT @ outputs / len(outputs), torch.eye(3, dtype=torch.float64), 1e-9)


def test_the_shortcut_is_the_least_squares_fit():
    features, targets = data()
    design = np.column_stack((features.numpy(), np.ones(len(features))))
    solution = np.linalg.lstsq(design, targets.numpy(), rcond=None)[0]
    new = data(seed=1)[0]
    expected = new.numpy() @ solution[:-1] + solution[-1]
    np.testing.assert_allclose(fitted(features, targets).linear(new).numpy(), expected, atol=1e-12)


def test_without_a_shortcut_the_mean_is_all_that_is_known():
    features, targets = data()
    scaling = fitted(features, targets, shortcut=False)
    assert torch.count_nonzero(scaling.weights) == 0
    close(scaling.linear(features), targets.mean(dim=0).expand_as(targets), 1e-15)


def test_an_exact_linear_law_leaves_nothing_to_learn():
    features, _ = data()
    law = torch.tensor([[0.1, 2.0], [30.0, -7.0], [0.0, 1.0], [0.02, 0.0]], dtype=torch.float64)
    scaling = fitted(features, features @ law + 0.5)
    assert scaling.n_learned == 0
    new = data(seed=1)[0]
    outputs = 1e6 * torch.ones(400, 2, dtype=torch.float64)
    close(scaling.combine(new, outputs), new @ law + 0.5, 1e-13 * float((features @ law).abs().max()))
    assert torch.count_nonzero(scaling.network_targets(features, features @ law + 0.7)) == 0


def test_directions_that_hold_exactly_are_kept_exactly():
    features, targets = data(n_components=2)
    masses = torch.tensor([[-35.0, 1.0], [0.7, 4.0]], dtype=torch.float64)
    # Three components whose sum weighted with (1, 35, 2) is always zero, as a momentum is.
    mixed = targets @ masses
    conserved = torch.cat((mixed, -(mixed @ torch.tensor([[1.0], [35.0]], dtype=torch.float64)) / 2.0), dim=1)
    scaling = fitted(features, conserved)
    assert scaling.n_learned == 2
    weights = torch.tensor([1.0, 35.0, 2.0], dtype=torch.float64)
    outputs = torch.randn(400, 3, dtype=torch.float64)
    predicted = scaling.combine(data(seed=1)[0], outputs)
    assert float((predicted @ weights).abs().max()) < 1e-13 * float((predicted.abs() * weights).max())
    assert float(predicted.std()) > 0.1 * float(conserved.std())


def test_noise_in_training_is_ridge_regression():
    features, targets = data()
    noise = 0.3
    inputs = ((features - features.mean(dim=0)) / features.std(dim=0)).numpy()
    centred = (targets - targets.mean(dim=0)).numpy()
    ridge = np.linalg.solve(inputs.T @ inputs + len(inputs) * noise**2 * np.eye(4), inputs.T @ centred)
    scaling = fitted(features, targets, noise=noise)
    expected = inputs @ ridge + targets.mean(dim=0).numpy()
    np.testing.assert_allclose(scaling.linear(features).numpy(), expected, atol=1e-12)
    assert abs(ridge).max() < abs(np.linalg.lstsq(inputs, centred, rcond=None)[0]).max()


def test_a_ridge_of_its_own_is_that_of_as_much_noise():
    features, targets = data()
    noisy = fitted(features, targets, noise=0.5)
    for ridge, noise in ((0.5, 0.0), (0.4, 0.3)):
        scaling = Scaling(4, 3, shortcut=True, ridge=ridge)
        scaling.fit(features, targets, noise=noise)
        close(scaling.weights, noisy.weights, 1e-12)
    assert scaling.n_learned == 3


def test_noisy_inputs_leave_targets_of_unit_variance_and_the_known_response():
    features, targets = data(n_rows=40_000)
    noise = 0.3
    scaling = fitted(features, targets, noise=noise)
    shift = noise * torch.randn(features.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    noisy = features + shift / scaling.input_gain
    outputs = scaling.network_targets(noisy, targets)
    close(outputs, scaling.network_targets(features, targets) + shift @ scaling.noise_response(), 1e-11)
    close(outputs.mT @ outputs / len(outputs), torch.eye(3, dtype=torch.float64), 0.03)  # 4 / sqrt(40 000)


def test_an_input_that_never_changes_is_switched_off():
    features, targets = data()
    features[:, 2] = 7.0 * (1.0 + 1e-15 * torch.randn(400, dtype=torch.float64))
    scaling = fitted(features, targets)
    assert scaling.input_gain[2] == 0.0
    assert torch.count_nonzero(scaling.weights[2]) == 0
    moved = features.clone()
    moved[:, 2] += 100.0
    close(scaling.linear(moved), scaling.linear(features), 1e-13)
    assert bool(scaling.noise_response().isfinite().all())


def test_inputs_that_always_move_together_share_their_weight():
    features, _ = data(n_features=2)
    twins = torch.cat((features, features[:, :1]), dim=1)
    scaling = fitted(twins, 3.0 * features[:, :1])
    close(scaling.weights[[0, 2], 0], torch.full((2,), 1.5, dtype=torch.float64), 1e-12)
    assert scaling.n_learned == 0


def test_fixed_weights_stay_and_leave_the_rest_to_the_network():
    features, targets = data()
    fixed = torch.zeros(4, 3)
    fixed[1, 0] = fixed[2, 1] = fixed[3, 2] = 1.0
    scaling = Scaling(4, 3, shortcut=True, fixed=fixed)
    scaling.fit(features, targets, noise=0.1)
    assert torch.equal(scaling.linear(features), features[:, 1:])
    assert scaling.n_learned == 3
    assert scaling.fitted() == []
    close(scaling.combine(features, scaling.network_targets(features, targets)), targets, 1e-13)


def test_without_a_network_no_direction_is_learned():
    features, targets = data()
    scaling = Scaling(4, 3, shortcut=True, network=False)
    scaling.fit(features, targets, noise=0.0)
    assert scaling.n_learned == 0
    assert torch.equal(scaling.linear(features), fitted(features, targets).linear(features))
    outputs = 1e6 * torch.ones(400, 3)
    assert torch.equal(scaling.combine(features, outputs), scaling.linear(features))
    assert torch.count_nonzero(scaling.network_targets(features, targets)) == 0


def test_scales_are_stored_in_double_precision_and_travel_in_the_state_dict():
    features, targets = data()
    scaling = fitted(features, targets)
    assert {tensor.dtype for tensor in scaling.state_dict().values()} == {torch.float64}
    other = Scaling(4, 3, shortcut=True)
    other.load_state_dict(scaling.state_dict())
    outputs = torch.randn(400, 3)
    assert torch.equal(other.combine(features, outputs), scaling.combine(features, outputs))
    assert scaling.combine(features, outputs).dtype == torch.float64
