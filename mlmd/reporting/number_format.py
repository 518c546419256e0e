"""Formats numbers with as many digits as a comparison needs."""

from math import floor, isfinite, log10

_UNITS = {
    "_meV_per_atom_per_ps": "meV/atom/ps",
    "_A_per_fs": "A/fs",
    "_percent": "%",
    "_cm1": "cm^-1",
    "_meV": "meV",
    "_eV": "eV",
    "_MB": "MB",
    "_fs": "fs",
    "_ps": "ps",
    "_A": "A",
    "_K": "K",
    "_s": "s",
}
_CAPITALS = {"mae": "MAE", "mape": "MAPE", "rmse": "RMSE", "vacf": "VACF", "gpu": "GPU", "cpu": "CPU", "n": "number of"}


def percent_near_100(value: float) -> str:
    """A percentage with two digits of what it lacks to 100, at most ten decimals.

    >>> percent_near_100(99.9998712), percent_near_100(98.7654), percent_near_100(100.0)
    ('99.99987', '98.8', '100')
    """
    if value == 100.0 or not isfinite(value):
        return f"{value:g}"
    # Rounded, for 100 - 99.9 is a little less than 0.1.
    lacking = max(round(abs(100.0 - value), 12), 1e-10)
    return f"{value:.{min(10, max(1, 1 - floor(log10(lacking))))}f}"


def error_number(value: float) -> str:
    """An error, of which the order of magnitude matters most.

    >>> error_number(5.23e-4), error_number(0.0)
    ('5.2e-04', '0')
    """
    return "0" if value == 0 else f"{value:.1e}"


def signed_number(value: float) -> str:
    """A shift or a slope, with its sign and two digits.

    >>> signed_number(-0.0312), signed_number(12.3), signed_number(0.0)
    ('-0.031', '+12', '0')
    """
    if value == 0:
        return "0"
    return f"{value:+,.0f}" if 100 <= abs(value) < 1e6 else f"{value:+.2g}"


def plain_number(value: float) -> str:
    """A number of any size with three digits, whole thousands written out.

    >>> plain_number(1234.5), plain_number(12.345), plain_number(3.4567e-6)
    ('1,234', '12.3', '3.46e-06')
    """
    if value == 0:
        return "0"
    if 1000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.3g}" if 0.01 <= abs(value) < 1000 else f"{value:.2e}"


def name_and_unit(quantity: str) -> tuple[str, str]:
    """The name of a quantity as words, and the unit that its last part stands for.

    >>> name_and_unit("velocity_mae_A_per_fs")
    ('velocity MAE', 'A/fs')
    """
    suffix = next((suffix for suffix in _UNITS if quantity.endswith(suffix)), "")
    words = quantity.removesuffix(suffix).split("_")
    return " ".join(_CAPITALS.get(word, word) for word in words), _UNITS.get(suffix, "")
