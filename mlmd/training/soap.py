"""SOAP: Adam in the eigenbasis of the gradients' row and column covariance (Vyas et al., arXiv:2409.11321)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

REFRESH_EVERY = 10
"""Steps between two refreshes of the bases; every 5 was no better, every 20 worse on one case of two."""

FIRST_REFRESHES = (2, 4, 8)
"""The covariance of the first gradients has low rank, so little can be learned from it."""

EPSILON = 1e-8
"""Least size of a step's denominator, as in Adam."""


class SOAP(Optimizer):
    """Steps on blocks: the tensors of a block share their first size and are one matrix, side by side.

    The weights of an LSTM layer that read its input, its state and its constant (the bias) belong in one block. Their
    gradients are outer products with one vector (input, state, 1), whose covariance the basis then knows as a whole, as
    with the homogeneous coordinates of K-FAC (Martens and Grosse, arXiv:1503.05671).

    With a block's gradient G [row, column], L and R the running means of G G^T and G^T G, and Q_L and Q_R their
    eigenvectors, G' = Q_L^T G Q_R is turned back after Adam has had its way with it. The bases follow L and R by one
    step of orthogonal iteration every `REFRESH_EVERY` steps.

    Args:
        blocks: parameters by block.
        learning_rate: size of a step.
        weight_decay: decoupled weight decay.
        betas: decay of the running mean of gradients, and of their squares and covariances.
    """

    def __init__(
        self,
        blocks: Iterable[Iterable[Tensor]],
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.95, 0.9),
    ) -> None:
        defaults = {"lr": learning_rate, "weight_decay": weight_decay, "betas": betas}
        super().__init__([{"params": list(block)} for block in blocks], defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the value of ``closure``, which computes the gradients, is handed back."""
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for group in self.param_groups:
            block = [parameter for parameter in group["params"] if parameter.grad is not None]
            if block:
                gradient = torch.cat([_matrix(parameter.grad) for parameter in block], dim=1)
                update = self._update(gradient, self.state[block[0]], *group["betas"])
                _subtract(update * group["lr"], block, shrink=1.0 - group["lr"] * group["weight_decay"])
        return value

    def _update(self, gradient: Tensor, state: dict[str, Any], beta_mean: float, beta_square: float) -> Tensor:
        """Adam's update of a block, before the learning rate."""
        if not state:
            state.update(_fresh_state(gradient))
        state["n_steps"] += 1
        n_steps = state["n_steps"]
        # A plain mean at first, so that the covariances need no correction for their start at zero.
        weight = max(1.0 - beta_square, 1.0 / n_steps)
        state["rows"].lerp_(gradient @ gradient.mT, weight)
        state["columns"].lerp_(gradient.mT @ gradient, weight)
        if n_steps == 1:
            for side in ("rows", "columns"):
                state[f"{side}_basis"] = torch.linalg.eigh(state[side])[1].flip(1)
        elif n_steps % REFRESH_EVERY == 0 or n_steps in FIRST_REFRESHES:
            _refresh(state)
        left, right = state["rows_basis"], state["columns_basis"]
        turned = left.mT @ gradient @ right
        state["mean"].lerp_(gradient, 1.0 - beta_mean)
        state["square"].lerp_(turned.square(), 1.0 - beta_square)
        size = (state["square"] / (1.0 - beta_square**n_steps)).sqrt() + EPSILON
        mean = left.mT @ (state["mean"] / (1.0 - beta_mean**n_steps)) @ right
        update: Tensor = left @ (mean / size) @ right.mT
        return update


def _matrix(tensor: Tensor) -> Tensor:
    return tensor.reshape(tensor.shape[0], -1)


def _fresh_state(gradient: Tensor) -> dict[str, Any]:
    n_rows, n_columns = gradient.shape
    return {
        "n_steps": 0,
        "mean": torch.zeros_like(gradient),
        "square": torch.zeros_like(gradient),
        "rows": gradient.new_zeros(n_rows, n_rows),
        "columns": gradient.new_zeros(n_columns, n_columns),
    }


def _refresh(state: dict[str, Any]) -> None:
    """One step of orthogonal iteration, the directions sorted by size first; their squares move with them."""
    for axis, side in enumerate(("rows", "columns")):
        basis = state[f"{side}_basis"]
        sizes = (basis * (state[side] @ basis)).sum(dim=0)
        order = sizes.argsort(descending=True)
        state["square"] = state["square"].index_select(axis, order)
        state[f"{side}_basis"] = torch.linalg.qr(state[side] @ basis[:, order])[0]


def _subtract(update: Tensor, block: list[Tensor], *, shrink: float) -> None:
    """Hand every parameter of a block its columns of the update."""
    columns = torch.split(update, [_matrix(parameter).shape[1] for parameter in block], dim=1)
    for parameter, part in zip(block, columns, strict=True):
        parameter.mul_(shrink).sub_(part.reshape(parameter.shape))
