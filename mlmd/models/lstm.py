"""The stacked LSTM: a whole sequence at once, or one step at a time with the state carried."""

import torch
from torch import Tensor, nn

LSTMState = tuple[Tensor, Tensor]
"""Hidden and cell state, each [layer, replica, hidden]."""


class StackedLSTM(nn.Module):
    """LSTM layers and a linear head (Hochreiter and Schmidhuber 1997, the layers stacked).

    The head starts at zero, so an untrained network predicts zero and only the linear shortcut counts.

    Args:
        n_inputs: numbers read each step.
        n_outputs: outputs of each step.
        hidden_size: width of every layer.
        n_layers: number of layers.
    """

    def __init__(self, n_inputs: int, n_outputs: int, *, hidden_size: int, n_layers: int) -> None:
        super().__init__()
        self.n_layers = n_layers
        self.hidden_size = hidden_size
        self.lstm = nn.LSTM(n_inputs, hidden_size, n_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, n_outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def initial_state(self, n_replicas: int) -> LSTMState:
        """Zeros, [layer, replica, hidden]."""
        zeros = self.head.weight.new_zeros(self.n_layers, n_replicas, self.hidden_size)
        return zeros, zeros.clone()

    def forward(self, inputs: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """Outputs of a whole sequence.

        Args:
            inputs: [replica, time, n_inputs].
            state: state before the first input; zeros where None.

        Returns:
            Outputs [replica, time, n_outputs] and the state after the last input.
        """
        hidden, state = self.lstm(inputs, state)
        return self.head(hidden), state

    def step(self, inputs: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Outputs [replica, n_outputs] of one input [replica, n_inputs], and the state after it.

        One call a layer: a fifth of the time of ``forward`` on a sequence of one.
        """
        hidden, cell = state
        hidden_after, cell_after = [], []
        signal = inputs
        for layer in range(self.n_layers):
            weights = (
                getattr(self.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            signal, cell_state = torch.lstm_cell(signal, (hidden[layer], cell[layer]), *weights)
            hidden_after.append(signal)
            cell_after.append(cell_state)
        return self.head(signal), (torch.stack(hidden_after), torch.stack(cell_after))
