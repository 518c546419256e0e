import io
import re
import sys

import pytest
from rich.console import Console

from mlmd.reporting import print_summary, summary_table
from mlmd.reporting.console import schedules

QUANTITIES = (
    "energy_error_median",
    "energy_error_worst",
    "energy_drift_meV_per_atom_per_ps",
    "bond_mean_error_A",
    "vacf_error",
    "line_shift_cm1",
    "angular_momentum_error",
    "force_calls",
    "frequency",
    "diverged_replicas",
)
Metrics = dict[str, float | None]


def _rollout(schedule: str, *values: float | None) -> Metrics:
    return {f"rollout/{schedule}/{name}": value for name, value in zip(QUANTITIES, values, strict=True)}


def _lines(metrics: Metrics, width: int = 120) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(summary_table(metrics, title="HCl, 3vR0"))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _cells(lines: list[str], first: str) -> list[str]:
    (line,) = (line for line in lines if line.startswith(first))
    return re.split(r"\s{2,}", line)


def test_one_step_scores_stand_beside_those_of_the_shortcut() -> None:
    lines = _lines(
        {
            "test/velocity_accuracy_percent": 99.99987,
            "test/velocity_mae_A_per_fs": 3.2e-6,
            "test/velocity_mape_percent": 0.0123,
            "test/linear_velocity_accuracy_percent": 99.714,
            "test/linear_velocity_mae_A_per_fs": 4.4e-4,
        }
    )
    assert lines[0] == "HCl, 3vR0"
    assert _cells(lines, "one step") == ["one step, test set", "model", "linear shortcut alone"]
    assert _cells(lines, "velocity accuracy") == ["velocity accuracy", "99.99987 %", "99.71 %"]
    assert _cells(lines, "velocity MAE") == ["velocity MAE", "3.20e-06 A/fs", "4.40e-04 A/fs"]
    assert _cells(lines, "velocity MAPE") == ["velocity MAPE", "0.0123 %", "-"]


def test_without_shortcut_scores_there_is_no_column_for_them() -> None:
    lines = _lines({"test/velocity_mae_A_per_fs": None, "test/velocity_accuracy_percent": 100.0})
    assert _cells(lines, "one step") == ["one step, test set", "model"]
    assert _cells(lines, "velocity MAE") == ["velocity MAE", "-"]
    assert _cells(lines, "velocity accuracy") == ["velocity accuracy", "100 %"]


def test_every_schedule_has_a_row_with_its_scores() -> None:
    metrics = _rollout("f=0.01", 5.2e-4, 0.13, -1.234, 9e-6, 0.046, 0.0312, 1e-15, 11_900, 0.01, 2)
    lines = _lines({**metrics, "rollout/f=0.01/bond_std_error_A": 7.7})
    expected = "5.2e-04 1.3e-01 -1.2 9.0e-06 4.6e-02 +0.031 1.0e-15 11,900 (0.01) 2"
    (row,) = (line for line in lines if line.startswith("f=0.01"))
    assert row.split() == ["f=0.01", *expected.split()]
    assert not any("7.7" in line for line in lines)


def test_columns_stand_in_the_order_of_their_headings() -> None:
    lines = _lines(_rollout("f=0", 1e-1, 1e-2, 3, 1e-4, 1e-5, 6, 1e-7, 8, 0.9, 10))
    (index,) = (index for index, line in enumerate(lines) if line.startswith("rollout"))
    above = "E error E error drift meV bond mean VACF line shift ang. mom. force calls"
    below = "rollout median worst /atom/ps error A error cm^-1 error (frequency) diverged"
    assert [line.split() for line in lines[index - 1 : index + 1]] == [above.split(), below.split()]
    (row,) = (line for line in lines if line.startswith("f=0"))
    assert row.split() == ["f=0", "1.0e-01", "1.0e-02", "+3", "1.0e-04", "1.0e-05", "+6", "1.0e-07", "8", "(0.9)", "10"]


def test_no_value_means_diverged_and_no_key_means_a_dash() -> None:
    lost = _rollout("f=0", None, float("inf"), float("nan"), None, None, None, None, 0, 0.0, 16)
    survived = _rollout("f=0.01", 0.1, 0.2, 0.3, 1e-4, 1e-4, None, 1e-4, 5, 0.01, 0)
    lines = _lines({**lost, **survived, "rollout/none/vacf_error": 0.5})
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("f=0", "none"))}
    assert rows["f=0"] == [*["diverged"] * 7, "0", "(0)", "16"]
    assert rows["f=0.01"][4:7] == ["1.0e-04", "-", "1.0e-04"]
    assert rows["none"] == [*["-"] * 4, "5.0e-01", *["-"] * 4]


def test_costs_have_units() -> None:
    lines = _lines({"cost/train_s": 87.31, "cost/total_s": 1234.5, "cost/peak_memory_MB": 612.3, "cost/gpu_s": None})
    assert _cells(lines, "train") == ["train", "87.3 s"]
    assert _cells(lines, "total") == ["total", "1,234 s"]
    assert _cells(lines, "peak memory") == ["peak memory", "612 MB"]
    assert _cells(lines, "GPU") == ["GPU", "-"]


def test_blocks_without_scores_are_left_out() -> None:
    assert [line for line in _lines({"train/loss": 1.0}) if line] == ["HCl, 3vR0"]


def test_widest_numbers_and_long_names_stay_within_120_columns() -> None:
    values = (1e-4, 1e-4, -123456.0, 1e-4, 1e-4, -123456.0, 1e-4, 1_234_567, 0.0123, 1024)
    lines = _lines(_rollout("adaptive between 10 and 1000 steps, energy-anchored", *values))
    assert max(map(len, lines)) <= 120
    assert any("1,234,567 (0.0123)" in line for line in lines)
    assert any("-123,456" in line for line in lines)


def test_schedules_may_hold_slashes_and_brackets() -> None:
    metrics = _rollout("[bold]1/100[/bold]", *[0.5] * 10)
    assert schedules(metrics) == ["[bold]1/100[/bold]"]
    assert any(line.startswith("[bold]1/100[/bold]") for line in _lines(metrics))


def test_printing_to_a_pipe_is_plain_wide_and_names_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    folder = "outputs/" + "a-long-folder-name/" * 10
    print_summary(_rollout("f=0.01", *[0.5] * 10), folder, "HCl, 3vR0")
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert f"files: {folder}\n" in printed
    assert any(line.rstrip().endswith("(frequency)  diverged") for line in printed.splitlines())


def test_printing_survives_a_stream_of_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_summary({**_rollout("f=0", *[0.5] * 10), "test/velocity_mae_A_per_fs": 1e-6}, "outputs", "HCl")
    stream.flush()
    assert b"1.00e-06 A/fs" in raw.getvalue()
