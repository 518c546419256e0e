"""What a tracker gets of a run: bounded, finite and under the promised names."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mlmd.evaluation.curves import DynamicsView, EnergyView
from mlmd.reporting.tracker_tables import (
    MAX_POINTS,
    MAX_ROWS,
    RunWords,
    accuracy_row,
    energy_rows,
    spectrum_lines,
    vacf_lines,
)

WORDS = RunWords("NO", "DuR0", "DuR0 (plain LSTM)", "vibrating", "harmonic", "10 kT", seed=3)


def curves(n_windows: int = 3, n_points: int = 2000) -> Any:
    """Two rollouts of three replicas; the second one lost a replica for good."""
    time_ps = 0.1 * torch.arange(n_windows, dtype=torch.float64)
    errors = torch.arange(3.0).unsqueeze(1).expand(3, n_windows).double()
    lost = errors.clone()
    lost[2] = torch.inf
    whole = EnergyView(time_ps, torch.full((3, n_windows), 0.1), torch.full((3, n_windows), 0.2))
    potential = whole.potential.clone()
    potential[2] = torch.nan
    axis = torch.arange(n_points, dtype=torch.float64)
    peak = torch.exp(-0.5 * ((axis - 1500.0) / 20.0) ** 2)
    dynamics = DynamicsView(torch.cos(axis), peak)
    return SimpleNamespace(
        energy_errors={"kept": (time_ps, errors), "lost": (time_ps, lost)},
        energy_ref=whole,
        energies={"kept": whole, "lost": replace(whole, potential=potential)},
        lag_fs=0.5 * axis,
        wavenumbers=axis,
        dynamics_ref=dynamics,
        lines=(),
        dynamics={"kept": dynamics, "lost": DynamicsView(torch.full_like(axis, torch.nan), peak)},
    )


def test_a_row_has_the_median_the_worst_and_the_energies():
    row = energy_rows(curves())[1]
    assert row["rollout/time_ps"] == pytest.approx(0.1)
    assert row["curve/kept/energy_error_median"] == 1.0
    assert row["curve/kept/energy_error_worst"] == 2.0
    assert row["curve/reference/kinetic_eV"] == pytest.approx(0.2)
    assert row["curve/lost/potential_eV"] == pytest.approx(0.1)


def test_what_is_not_finite_is_left_out():
    lines = energy_rows(curves())
    assert all("curve/lost/energy_error_median" in row for row in lines)
    assert not any("curve/lost/energy_error_worst" in row for row in lines)
    json.dumps(lines, allow_nan=False)
    vacf = vacf_lines(curves())
    assert vacf.points["lost"] == ([], [])


@pytest.mark.parametrize("n_windows", [1, MAX_ROWS, MAX_ROWS + 1, 10 * MAX_ROWS])
def test_rows_are_bounded_and_span_the_run(n_windows):
    lines = energy_rows(curves(n_windows))
    assert min(n_windows, MAX_ROWS // 2) <= len(lines) <= MAX_ROWS
    assert lines[0]["rollout/time_ps"] == 0.0
    assert lines[-1]["rollout/time_ps"] >= 0.1 * 0.95 * (n_windows - 1)


def test_dynamics_are_bounded_and_show_the_line():
    assert len(vacf_lines(curves()).points["kept"][0]) == MAX_POINTS
    spectrum = spectrum_lines(curves())
    assert list(spectrum.points) == ["reference", "kept", "lost"]
    wavenumbers, power = spectrum.points["kept"]
    assert len(wavenumbers) == MAX_POINTS
    assert wavenumbers[power.index(max(power))] == 1500.0


def test_the_accuracy_row_names_what_was_run():
    row = accuracy_row(WORDS, {"test/velocity_accuracy_percent": 99.9, "test/velocity_mae_A_per_fs": 1e-5})
    assert row == {
        "system": "NO",
        "model": "DuR0 (plain LSTM)",
        "regime": "vibrating",
        "hamiltonian": "harmonic",
        "energy target": "10 kT",
        "seed": 3,
        "accuracy (%)": 99.9,
        "MAE (A/fs)": 1e-5,
        "MAPE (%)": None,
        "linear accuracy (%)": None,
    }


def test_a_tag_stands_once():
    assert replace(WORDS, model="DuR0", regime="harmonic").tags == ["NO", "DuR0", "harmonic"]
