"""Figures of training and of the one-step test."""

from collections.abc import Mapping, Sequence
from math import floor, isfinite, log10

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from mlmd.observables import mean_absolute_error, velocity_accuracy_percent
from mlmd.reporting.number_format import percent_near_100, plain_number
from mlmd.reporting.style import (
    REFERENCE_COLOUR,
    SCHEDULE_COLOURS,
    Array,
    RunLabel,
    dress_axes,
    finish_figure,
    new_figure,
    write_instead,
)

N_POINTS = 20_000
"""Points of the scatter plot: more only make it blacker."""

N_BINS = 81
N_MARKED = 40
"""Up to so many epochs each gets a mark; a single epoch would show nothing as a line."""

NOTHING_TO_LEARN = "the linear shortcut is exact:\nnothing was left to learn"
NOT_FINITE = "the loss was never a finite number"


def draw_loss(history: Sequence[Mapping[str, float | None]], label: RunLabel) -> Figure:
    """Training and validation loss against the epoch, on a logarithmic scale.

    Args:
        history: one row per epoch with "epoch", "train/loss" and "val/loss"; any of the losses may be missing, None or
            not finite and is then left out.
        label: the run.

    Returns:
        The figure; with a sentence in place of the curves where no loss is above zero.
    """
    figure = new_figure()
    axes = figure.subplots()
    dress_axes(axes, x="epoch", y="loss (scaled targets, dimensionless)")
    curves = {name: _finite_points(history, name) for name in ("train/loss", "val/loss")}
    positive = [loss for _, losses in curves.values() for loss in losses if loss > 0]
    if not positive:
        refused = any(row.get(name) is not None for row in history for name in curves)
        zero = any(losses for _, losses in curves.values())
        write_instead(axes, NOT_FINITE if refused and not zero else NOTHING_TO_LEARN)
        finish_figure(figure, "Loss", label)
        return figure
    handles = []
    for (name, (epochs, losses)), colour in zip(curves.items(), (REFERENCE_COLOUR, SCHEDULE_COLOURS[1]), strict=True):
        if not losses:
            continue
        marker = "o" if len(losses) <= N_MARKED else None
        # A loss of exactly zero has no logarithm: it is drawn at the smallest one that has.
        shown = [max(loss, min(positive)) for loss in losses]
        spoken = "training" if name == "train/loss" else "validation"
        handles += axes.plot(epochs, shown, color=colour, marker=marker, markersize=3, linewidth=1.4, label=spoken)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    finish_figure(figure, "Loss", label, handles=handles)
    return figure


def draw_velocities(predicted: Tensor, true: Tensor, label: RunLabel) -> Figure:
    """Predicted against true velocities, and beside it the distribution of their differences.

    MAE, accuracy and distribution are over all points; the scatter plot shows a random 20,000 of them, always the same.

    Args:
        predicted: v_{n+1/2} as predicted, any shape, A/fs.
        true: v_{n+1/2} as they are, same shape, A/fs.
        label: the run.

    Raises:
        DataError: the shapes differ.
    """
    mae, accuracy = float(mean_absolute_error(predicted, true)), float(velocity_accuracy_percent(predicted, true))
    predicted, true = (v.detach().cpu().double().flatten() for v in (predicted, true))
    figure = new_figure()
    left, right = figure.subplots(1, 2)
    finite = true[true.isfinite()]
    ends = [float(finite.min()), float(finite.max())] if finite.numel() else [0.0, 0.0]
    # Wide and pale below the points: where the two agree, both are seen.
    diagonal = left.plot(ends, ends, color=REFERENCE_COLOUR, alpha=0.35, linewidth=5.0, label="exact (y = x)")[0]
    shown = _subsample(true.numel())
    points = left.plot(true[shown].numpy(), predicted[shown].numpy(), ".", markersize=3, alpha=0.25, rasterized=True)[0]
    points.set(color=SCHEDULE_COLOURS[0], markeredgewidth=0)
    dress_axes(left, x="true velocity (Å/fs)", y="predicted velocity (Å/fs)")
    left.locator_params(nbins=5)

    errors = (predicted - true)[(predicted - true).isfinite()].numpy()
    exponent = _exponent(errors)
    counts, edges = np.histogram(errors / 10.0**exponent, bins=N_BINS)
    right.stairs(counts, edges, fill=True, color=SCHEDULE_COLOURS[0], alpha=0.85)
    unit = "Å/fs" if exponent == 0 else f"$10^{{{exponent}}}$ Å/fs"
    title = f"MAE {plain_number(mae)} Å/fs\naccuracy {percent_near_100(accuracy)} %"
    dress_axes(right, x=f"error, predicted − true ({unit})", y="count", title=title)
    right.set_yscale("log")
    right.set_ylim(bottom=0.7, top=max(2.0, 1.5 * float(counts.max(initial=1))))
    right.locator_params(axis="x", nbins=5)
    # The marks of the plot are faint and small; the legend shows one that can be seen.
    mark = Line2D([], [], color=SCHEDULE_COLOURS[0], marker="o", linestyle="", markersize=4, label="predicted")
    note = f"{true.numel():,} velocities, {shown.numel():,} of them drawn on the left"
    finish_figure(figure, "One-step velocities", label, handles=[mark, diagonal], note=note)
    return figure


def _finite_points(history: Sequence[Mapping[str, float | None]], name: str) -> tuple[list[float], list[float]]:
    """Epochs and losses of the rows that hold a finite loss of this name."""
    epochs, losses = [], []
    for row_index, row in enumerate(history):
        loss, epoch = row.get(name), row.get("epoch")
        if loss is not None and isfinite(loss):
            epochs.append(float(row_index if epoch is None else epoch))
            losses.append(float(loss))
    return epochs, losses


def _subsample(n: int) -> Tensor:
    if n <= N_POINTS:
        return torch.arange(n)
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:N_POINTS]


def _exponent(errors: Array) -> int:
    """Power of ten that brings the largest error between 1 and 10; 0 where there is none."""
    largest = float(np.abs(errors).max(initial=0.0))
    return floor(log10(largest)) if largest > 0 else 0
