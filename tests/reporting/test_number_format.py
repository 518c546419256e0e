import pytest

from mlmd.reporting.number_format import error_number, name_and_unit, percent_near_100, plain_number, signed_number


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (99.9, "99.90"),
        (99.99999987, "99.99999987"),
        (100.0 - 1e-13, "100.0000000000"),
        (0.0, "0.0"),
        (-250.0, "-250.0"),
        (100.25, "100.25"),
        (float("nan"), "nan"),
    ],
)
def test_percentages_keep_the_digits_that_matter(value: float, words: str) -> None:
    assert percent_near_100(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (0.5, "0.5"), (999.4, "999"), (0.00999, "9.99e-03"), (123456.0, "123,456"), (3e12, "3.00e+12")],
)
def test_plain_numbers(value: float, words: str) -> None:
    assert plain_number(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(-1234.0, "-1,234"), (99.0, "+99"), (2.5e-9, "+2.5e-09"), (-4e8, "-4e+08"), (0.0, "0")]
)
def test_signed_numbers(value: float, words: str) -> None:
    assert signed_number(value) == words


def test_errors_show_their_order() -> None:
    assert error_number(123.0) == "1.2e+02"


@pytest.mark.parametrize(
    ("quantity", "name", "unit"),
    [
        ("peak_memory_MB", "peak memory", "MB"),
        ("energy_drift_meV_per_atom_per_ps", "energy drift", "meV/atom/ps"),
        ("line_shift_cm1", "line shift", "cm^-1"),
        ("n_force_calls", "number of force calls", ""),
        ("speed_A_per_fs", "speed", "A/fs"),
        ("bond_mean_A", "bond mean", "A"),
        ("window_fs", "window", "fs"),
    ],
)
def test_units_are_read_from_names(quantity: str, name: str, unit: str) -> None:
    assert name_and_unit(quantity) == (name, unit)
