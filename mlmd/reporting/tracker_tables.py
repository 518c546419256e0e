"""The tables that experiment trackers receive: energies in time, dynamics, a row of accuracies."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from mlmd.evaluation.curves import DynamicsView, RolloutCurves, highest_of_every, shown_wavenumbers
from mlmd.observables import line_position_cm1, median

TIME_KEY = "rollout/time_ps"
"""Time since ML took over, the axis of every curve of `energy_rows`."""

REFERENCE = "reference"
"""Stands for the reference dynamics where a schedule stands for a rollout."""

ACCURACY_SCORES = {
    "accuracy (%)": "test/velocity_accuracy_percent",
    "MAE (A/fs)": "test/velocity_mae_A_per_fs",
    "MAPE (%)": "test/velocity_mape_percent",
    "linear accuracy (%)": "test/linear_velocity_accuracy_percent",
}
"""Columns of numbers of the accuracy table and where they come from."""

MAX_ROWS = 500
"""Rows of a curve that a panel shows; of a longer one every so many-th window is taken."""

MAX_POINTS = 600
"""Points of a correlation or spectrum, some 27 periods of lag. W&B draws 10,000 rows of a table in one chart."""


@dataclass(frozen=True)
class RunWords:
    """What a run is found, grouped and compared by.

    Attributes:
        system: molecule, e.g. "HCl".
        variant: code name of the model, e.g. "DuR0".
        model: the variant with what departs from its plain form.
        regime: e.g. "thermal".
        hamiltonian: e.g. "morse".
        energy_target: the regime's, e.g. "10 kT" or "300 K".
        seed: of the run.
    """

    system: str
    variant: str
    model: str
    regime: str
    hamiltonian: str
    energy_target: str
    seed: int

    @property
    def tags(self) -> list[str]:
        """System, variant, regime and Hamiltonian, each word once.

        >>> RunWords("HCl", "DuR0", "DuR0", "thermal", "morse", "300 K", seed=1).tags
        ['HCl', 'DuR0', 'thermal', 'morse']
        """
        return list(dict.fromkeys((self.system, self.variant, self.regime, self.hamiltonian)))


@dataclass(frozen=True)
class Lines:
    """Several curves over one axis.

    Attributes:
        x_name: of the axis, with its unit.
        points: by name of the curve, x and y; points that are not finite are left out.
    """

    x_name: str
    points: Mapping[str, tuple[list[float], list[float]]]


def curve_key(name: str, quantity: str) -> str:
    """The name under which a quantity of a rollout is logged over `TIME_KEY`.

    >>> curve_key("every_100", "energy_error_median")
    'curve/every_100/energy_error_median'
    """
    return f"curve/{name}/{quantity}"


def energy_rows(curves: RolloutCurves) -> list[dict[str, float]]:
    """Energies along the rollouts, a row per window of whole periods.

    A row holds `TIME_KEY` and, by `curve_key`,

    - ``energy_error_median``, ``energy_error_worst``: relative, over all replicas;
    - ``potential_eV``, ``kinetic_eV``: mean over the replicas that are finite there, of the reference too.

    What is not finite is left out.

    Args:
        curves: of rollouts judged against one reference.
    """
    time_ps = curves.energy_ref.time_ps.tolist()
    rows = []
    for window in range(0, len(time_ps), -(-len(time_ps) // MAX_ROWS)):
        row = {TIME_KEY: time_ps[window]}
        for name, (_, errors) in curves.energy_errors.items():
            row[curve_key(name, "energy_error_median")] = float(median(errors[:, window]))
            row[curve_key(name, "energy_error_worst")] = float(errors[:, window].max())
        for name, view in {REFERENCE: curves.energy_ref, **curves.energies}.items():
            row[curve_key(name, "potential_eV")] = _finite_mean(view.potential[:, window])
            row[curve_key(name, "kinetic_eV")] = _finite_mean(view.kinetic[:, window])
        rows.append({key: value for key, value in row.items() if isfinite(value)})
    return rows


def vacf_lines(curves: RolloutCurves) -> Lines:
    """The velocity autocorrelation functions over their first periods, the reference's first."""
    views = {REFERENCE: curves.dynamics_ref, **curves.dynamics}
    shown = slice(0, MAX_POINTS)
    points = {name: _points(curves.lag_fs[shown], view.correlation[shown]) for name, view in views.items()}
    return Lines("lag time (fs)", points)


def spectrum_lines(curves: RolloutCurves) -> Lines:
    """The spectra of the bond velocity around the reference's line, or of all normal modes, the reference's first."""
    views = {REFERENCE: curves.dynamics_ref, **curves.dynamics}
    if curves.lines:
        return _whole_spectra(curves, views)
    line = line_position_cm1(curves.wavenumbers, curves.dynamics_ref.power)
    middle = int((curves.wavenumbers - line).abs().argmin()) if isfinite(line) else 0
    first = max(0, middle - MAX_POINTS // 2)
    shown = slice(first, first + MAX_POINTS)
    points = {name: _points(curves.wavenumbers[shown], view.power[shown]) for name, view in views.items()}
    return Lines("wavenumber (cm^-1)", points)


def _whole_spectra(curves: RolloutCurves, views: Mapping[str, DynamicsView]) -> Lines:
    """Over all lines, the highest of every so many points."""
    x = curves.wavenumbers
    shown = x <= shown_wavenumbers(x, curves.dynamics_ref.power, curves.lines)[1]
    every = -(-int(shown.sum()) // MAX_POINTS)
    thin = x[shown][::every]
    points = {name: _points(thin, highest_of_every(view.power[shown], every)) for name, view in views.items()}
    return Lines("wavenumber (cm^-1)", points)


def accuracy_row(words: RunWords, metrics: Mapping[str, float]) -> dict[str, str | float | None]:
    """One row of the table that compares accuracies over molecules, models and energies.

    Args:
        words: what the run is.
        metrics: by name ``split/quantity``; a score that is absent is None, the shortcut's for one.
    """
    return {
        "system": words.system,
        "model": words.model,
        "regime": words.regime,
        "hamiltonian": words.hamiltonian,
        "energy target": words.energy_target,
        "seed": words.seed,
        **{column: metrics.get(key) for column, key in ACCURACY_SCORES.items()},
    }


def _finite_mean(values: Tensor) -> float:
    return float(values[values.isfinite()].mean())


def _points(x: Tensor, y: Tensor) -> tuple[list[float], list[float]]:
    finite = torch.isfinite(y)
    return x[finite].tolist(), y[finite].tolist()
