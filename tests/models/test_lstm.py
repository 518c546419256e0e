import pytest
import torch

from mlmd.models import StackedLSTM


def network(n_inputs=3, n_outputs=2, hidden_size=6, n_layers=2):
    torch.manual_seed(0)
    made = StackedLSTM(n_inputs, n_outputs, hidden_size=hidden_size, n_layers=n_layers).double()
    torch.nn.init.normal_(made.head.weight)
    torch.nn.init.normal_(made.head.bias)
    return made


@pytest.mark.parametrize(("hidden_size", "n_layers", "n_replicas"), [(1, 1, 1), (6, 1, 4), (6, 2, 4), (3, 4, 2)])
def test_step_by_step_is_the_whole_sequence(hidden_size, n_layers, n_replicas):
    lstm = network(hidden_size=hidden_size, n_layers=n_layers)
    inputs = torch.randn(n_replicas, 15, 3, dtype=torch.float64)
    outputs, after = lstm(inputs)
    state = lstm.initial_state(n_replicas)
    for time in range(15):
        output, state = lstm.step(inputs[:, time], state)
        torch.testing.assert_close(output, outputs[:, time], rtol=0, atol=1e-13)
    for ours, theirs in zip(state, after, strict=True):
        assert ours.shape == (n_layers, n_replicas, hidden_size)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


def test_a_sequence_may_be_cut_where_its_state_is_passed_on():
    lstm, inputs = network(), torch.randn(2, 9, 3, dtype=torch.float64)
    first, state = lstm(inputs[:, :4])
    second, _ = lstm(inputs[:, 4:], state)
    torch.testing.assert_close(torch.cat((first, second), dim=1), lstm(inputs)[0], rtol=0, atol=1e-14)


@torch.no_grad()
def test_one_cell_by_hand():
    lstm = network(n_inputs=1, n_outputs=1, hidden_size=1, n_layers=1)
    weights = dict(lstm.named_parameters())
    x, h, c = 0.7, -0.2, 0.4
    gates = weights["lstm.weight_ih_l0"][:, 0] * x + weights["lstm.weight_hh_l0"][:, 0] * h
    i, f, g, o = gates + weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]
    c_after = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h_after = o.sigmoid() * c_after.tanh()
    state = (torch.full((1, 1, 1), h, dtype=torch.float64), torch.full((1, 1, 1), c, dtype=torch.float64))
    output, (hidden, cell) = lstm.step(torch.full((1, 1), x, dtype=torch.float64), state)
    assert float(hidden) == pytest.approx(float(h_after), rel=1e-14)
    assert float(cell) == pytest.approx(float(c_after), rel=1e-14)
    assert float(output) == pytest.approx(float(weights["head.weight"][0, 0] * h_after + weights["head.bias"][0]))


def test_an_untrained_network_predicts_zero():
    lstm = StackedLSTM(3, 2, hidden_size=4, n_layers=2)
    assert torch.equal(lstm(torch.randn(2, 5, 3))[0], torch.zeros(2, 5, 2))


def test_the_initial_state_is_two_separate_zeros():
    hidden, cell = network().initial_state(3)
    hidden += 1.0
    assert torch.equal(cell, torch.zeros(2, 3, 6, dtype=torch.float64))
