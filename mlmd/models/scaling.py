"""Standardised inputs, the linear shortcut, and the scale of the residual that the LSTM predicts.

    target = intercept + features @ weights + network(standardised features) @ basis

The first two terms are the shortcut, a least-squares fit made before training unless its weights are given; the rows of
``basis`` are the principal directions of its residual, scaled to unit variance. Directions in which the residual is
round-off are dropped, so a linear law that holds exactly (a conserved momentum, a harmonic bond) is kept exactly.
"""

import math

import torch
from torch import Tensor, nn

INACTIVE_INPUT = 1e-9
"""An input that varies by less than this part of the largest one is constant up to round-off."""

ROUND_OFF_RESIDUAL = 1e-9
"""A residual below this part of the targets' spread is round-off of the fit, not something to learn."""

MINOR_DIRECTION = 1e-6
"""Directions of the residual smaller than this part of the largest one are dropped."""

SINGULAR_CUT = 1e-7
"""Relative cut-off of singular values in the fit: inputs that always move together share their weight."""


class Scaling(nn.Module):
    """Input scales, shortcut and output basis, all float64 buffers fitted on training data.

    Args:
        n_features: model inputs.
        n_components: model outputs.
        shortcut: with a linear shortcut; otherwise the network predicts everything.
        ridge: standard deviation of noise on the standardised inputs for which the shortcut is fitted in any case.
        fixed: weights of the shortcut, [n_features, n_components], in place of a fit.
        network: whether a network learns the residual of the shortcut.
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        shortcut: bool,
        ridge: float = 0.0,
        fixed: Tensor | None = None,
        network: bool = True,
    ) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.ridge = ridge
        self.fixed = fixed
        self.network = network
        for name, shape in (
            ("input_mean", (n_features,)),
            ("input_gain", (n_features,)),
            ("intercept", (n_components,)),
            ("weights", (n_features, n_components)),
            ("basis", (n_components, n_components)),
            ("inverse_basis", (n_components, n_components)),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    input_mean: Tensor
    input_gain: Tensor
    intercept: Tensor
    weights: Tensor
    basis: Tensor
    inverse_basis: Tensor

    @property
    def n_learned(self) -> int:
        """Directions that the network predicts; 0 where the shortcut is exact or there is no network."""
        return int((self.basis.abs().sum(dim=1) > 0).sum())

    def fitted(self) -> list[Tensor]:
        """Parameters that a fit of the shortcut determines; none where its weights are fixed."""
        return [] if self.fixed is not None else [self.weights, self.intercept]

    @torch.no_grad()
    def fit(self, features: Tensor, targets: Tensor, *, noise: float) -> None:
        """Fit all scales.

        Args:
            features: [row, n_features], float64.
            targets: [row, n_components], float64.
            noise: standard deviation of the noise that training adds to standardised inputs. The shortcut is fitted
                for noisy inputs, which is ridge regression with that noise as the ridge.
        """
        self.input_mean.copy_(features.mean(dim=0))
        spread = features.std(dim=0)
        active = spread > INACTIVE_INPUT * features.abs().max()
        self.input_gain.copy_(torch.where(active, 1.0 / spread, torch.zeros_like(spread)))
        residual, solution = self._fit_shortcut(features, targets, noise=noise)
        if not self.network:
            return  # the basis stays zero: no network predicts the residual
        covariance = residual.mT @ residual / len(residual) + noise**2 * solution.mT @ solution
        self._set_basis(covariance, floor=ROUND_OFF_RESIDUAL * float(targets.abs().max()))

    def _fit_shortcut(self, features: Tensor, targets: Tensor, *, noise: float) -> tuple[Tensor, Tensor]:
        """Set weights and intercept; return the residual [row, component] and the weights of standardised inputs."""
        if self.fixed is not None:
            self.weights.copy_(self.fixed)
            self.intercept.zero_()
            return targets - self.linear(features), features.std(dim=0).unsqueeze(-1) * self.weights
        mean = targets.mean(dim=0)
        inputs = self.standardise(features)
        residual = targets - mean
        if self.shortcut:
            solution = _least_squares(inputs, residual, noise=math.hypot(noise, self.ridge))
            self.weights.copy_(self.input_gain.unsqueeze(-1) * solution)
            residual = residual - inputs @ solution
        else:
            self.weights.zero_()
            solution = self.weights
        self.intercept.copy_(mean - self.input_mean @ self.weights)
        return residual, solution

    def _set_basis(self, covariance: Tensor, *, floor: float) -> None:
        values, vectors = torch.linalg.eigh(covariance)
        sizes = values.clamp(min=0.0).sqrt().flip(0)
        vectors = vectors.flip(1)
        kept = (sizes > floor) & (sizes > MINOR_DIRECTION * sizes[0])
        zero = torch.zeros_like(sizes)
        self.basis.copy_(torch.where(kept, sizes, zero).unsqueeze(-1) * vectors.mT)
        self.inverse_basis.copy_(vectors * torch.where(kept, 1.0 / sizes, zero))

    def standardise(self, features: Tensor) -> Tensor:
        """Network inputs of zero mean and unit variance."""
        return (features - self.input_mean) * self.input_gain

    def linear(self, features: Tensor) -> Tensor:
        """Prediction of the shortcut alone (the mean target where there is no shortcut)."""
        return self.intercept + features @ self.weights

    def network_targets(self, features: Tensor, targets: Tensor) -> Tensor:
        """Targets of the network: the scaled residual of the shortcut."""
        residual: Tensor = targets - self.linear(features)
        return residual @ self.inverse_basis

    def noise_response(self) -> Tensor:
        """Change of the network's target with the input noise, [n_features, n_components].

        The shortcut reads the noisy input, so the network has to predict what the shortcut then misses.
        """
        spread = torch.where(self.input_gain > 0, 1.0 / self.input_gain, self.input_gain)
        response: Tensor = -(spread.unsqueeze(-1) * self.weights) @ self.inverse_basis
        return response

    def combine(self, features: Tensor, network_outputs: Tensor) -> Tensor:
        """The prediction: shortcut plus the output of the network."""
        residual: Tensor = network_outputs.to(features.dtype) @ self.basis
        return self.linear(features) + residual


def _least_squares(inputs: Tensor, targets: Tensor, *, noise: float) -> Tensor:
    """Minimum-norm least squares by QR and a truncated SVD; a ridge stands in as extra rows."""
    n_rows, n_inputs = inputs.shape
    if noise > 0:
        ridge = noise * n_rows**0.5 * torch.eye(n_inputs, dtype=inputs.dtype, device=inputs.device)
        inputs = torch.cat((inputs, ridge))
        targets = torch.cat((targets, targets.new_zeros(n_inputs, targets.shape[1])))
    q, r = torch.linalg.qr(inputs)
    left, sizes, right = torch.linalg.svd(r)
    inverse = torch.where(sizes > SINGULAR_CUT * sizes[0], 1.0 / sizes, torch.zeros_like(sizes))
    solution: Tensor = right.mT @ (inverse.unsqueeze(-1) * (left.mT @ (q.mT @ targets)))
    return solution
