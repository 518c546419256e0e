import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.errors import ConfigError
from mlmd.models import CarriedMemory, StackedLSTM, WindowMemory
from mlmd.models.memory import make_memory


def network(hidden_size, n_layers):
    torch.manual_seed(hidden_size + 10 * n_layers)
    made = StackedLSTM(3, 2, hidden_size=hidden_size, n_layers=n_layers).double()
    torch.nn.init.normal_(made.head.weight)
    torch.nn.init.normal_(made.head.bias)
    return made


def streamed(memory, lstm, inputs):
    state = memory.initial(lstm, len(inputs))
    outputs = []
    for time in range(inputs.shape[1]):
        output, state = memory.step(lstm, inputs[:, time], state, time)
        outputs.append(output)
    return torch.stack(outputs, dim=1)


@torch.no_grad()
def check_stream(memory, n_more, n_replicas, hidden_size, n_layers):
    lstm = network(hidden_size, n_layers)
    inputs = torch.randn(n_replicas, memory.n_skipped + n_more, 3, dtype=torch.float64)
    whole = memory.sequence(lstm, inputs)
    assert whole.shape == (n_replicas, n_more, 2)
    torch.testing.assert_close(streamed(memory, lstm, inputs)[:, memory.n_skipped :], whole, rtol=0, atol=1e-13)


sizes = {
    "n_more": st.integers(1, 25),
    "n_replicas": st.integers(1, 4),
    "hidden_size": st.integers(1, 6),
    "n_layers": st.integers(1, 3),
}


@settings(max_examples=20, deadline=None)
@given(warmup=st.integers(1, 12), **sizes)
def test_carried_step_by_step_is_the_sequence(warmup, n_more, n_replicas, hidden_size, n_layers):
    check_stream(CarriedMemory(warmup=warmup), n_more, n_replicas, hidden_size, n_layers)


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 8), **sizes)
def test_window_step_by_step_is_the_sequence(length, n_more, n_replicas, hidden_size, n_layers):
    check_stream(WindowMemory(length=length), n_more, n_replicas, hidden_size, n_layers)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_window_is_the_plain_lstm_on_it_from_zero(length):
    lstm, inputs = network(4, 2), torch.randn(3, 12, 3, dtype=torch.float64)
    with torch.no_grad():
        outputs = WindowMemory(length=length).sequence(lstm, inputs)
        assert outputs.shape == (3, 12 - length + 1, 2)
        for replica in range(3):
            for end in range(length, 13):
                hidden, _ = lstm.lstm(inputs[replica : replica + 1, end - length : end])
                expected = hidden[0, -1] @ lstm.head.weight.mT + lstm.head.bias
                torch.testing.assert_close(outputs[replica, end - length], expected, rtol=0, atol=1e-13)


@torch.no_grad()
def test_a_window_forgets_what_lies_before_it_and_a_carried_state_does_not():
    lstm, inputs = network(4, 1), torch.randn(1, 10, 3, dtype=torch.float64)
    other = inputs.clone()
    other[:, 0] += 1.0
    window, carried = WindowMemory(length=4), CarriedMemory(warmup=1)
    assert torch.equal(streamed(window, lstm, inputs)[:, 4:], streamed(window, lstm, other)[:, 4:])
    assert not torch.equal(streamed(carried, lstm, inputs)[:, 4:], streamed(carried, lstm, other)[:, 4:])


def test_a_carried_sequence_starts_after_its_warm_up():
    lstm, inputs = network(4, 2), torch.randn(2, 9, 3, dtype=torch.float64)
    assert torch.equal(CarriedMemory(warmup=3).sequence(lstm, inputs), lstm(inputs)[0][:, 3:])


@pytest.mark.parametrize("memory", [CarriedMemory(warmup=2), WindowMemory(length=3)])
def test_a_step_leaves_the_state_before_it_alone(memory):
    lstm, inputs = network(4, 2), torch.randn(2, 3, dtype=torch.float64)
    state = memory.initial(lstm, 2)
    for n_seen in range(5):
        before = [tensor.clone() for tensor in state]
        with torch.no_grad():
            _, after = memory.step(lstm, inputs, state, n_seen)
        assert all(torch.equal(tensor, kept) for tensor, kept in zip(state, before, strict=True))
        state = after


def test_sizes_below_one_are_refused():
    with pytest.raises(ConfigError, match=r"memory\.warmup = 0 must be at least 1"):
        CarriedMemory(warmup=0)
    with pytest.raises(ConfigError, match=r"memory\.length = 0 must be at least 1"):
        WindowMemory(length=0)


def test_memories_are_made_from_plain_values():
    assert make_memory("carried", length=None, warmup=7).n_skipped == 7
    assert make_memory("window", length=7, warmup=None).n_skipped == 6
    with pytest.raises(ConfigError, match=r"memory\.length is missing"):
        make_memory("window", length=None, warmup=7)
    with pytest.raises(ConfigError, match=r"memory\.kind = 'windw' is unknown: did you mean 'window'"):
        make_memory("windw", length=7, warmup=None)
