"""Bonds for figures, made from whole series of bond lengths."""

import math

import numpy as np
import torch
from torch import Tensor

from mlmd.evaluation.curves import BondView, bond_edges


def bonds(amplitude_A: float = 0.1, *, n_replicas: int = 3, n_frames: int = 1000) -> Tensor:
    """Bond lengths [replica, time] every 0.5 fs."""
    phase = torch.arange(n_replicas, dtype=torch.float64).unsqueeze(1)
    return 1.27 + amplitude_A * torch.cos(2 * math.pi * torch.arange(n_frames) * 0.5 / 12.5 + phase)


def view(lengths: Tensor, reference: Tensor | None = None, *, n_shown: int = 201) -> BondView:
    """What a figure shows of bond lengths [replica, time]."""
    of_axis = lengths if reference is None else reference
    edges = bond_edges(float(of_axis.min()), float(of_axis.max()))
    counts = np.histogram(lengths[lengths.isfinite()].numpy(), bins=edges.numpy())[0]
    times = 0.5 * torch.arange(lengths.shape[1], dtype=torch.float64)
    return BondView(
        times[-n_shown:],
        lengths[0, -n_shown:],
        edges,
        torch.from_numpy(counts) / (lengths.numel() * edges.diff()),
        (float(lengths[0].min()), float(lengths[0].max())),
        lengths.shape[0],
        int((~lengths.isfinite()).any(dim=1).sum()),
    )
