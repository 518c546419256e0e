"""Errors that a user can cause. Each message states in one line what was wrong, where, and what to do."""

import difflib
from collections.abc import Iterable
from typing import Any

N_LISTED = 36
"""Known names that an error lists at most: all molecules of the table."""


MAX_VALUE = 80
"""Letters of a value that an error repeats."""


class MlmdError(Exception):
    """Base of every error that a user can cause; the command line prints it as one line and exits with code 2."""


class ConfigError(MlmdError):
    """A value in the configuration is unknown, missing or out of range."""


class DataError(MlmdError):
    """A file is truncated, altered, of another kind, or cannot be written."""


class MismatchError(MlmdError):
    """A predictor was given a system, time step or variant for which it was not trained."""


class CalculatorError(MlmdError):
    """Forces could not be calculated: the calculation did not converge, or its result is not finite."""


class TrainingError(MlmdError):
    """A training cannot go on: its loss or its weights are no finite numbers."""


class PhysicsError(MlmdError):
    """A molecule has left the range where its description is valid: it dissociates or loses its frame."""


def nearest(name: str, known: Iterable[str], *, n_offered: int = 3) -> str:
    """A suggestion of the nearest known names, for the end of an error message.

    >>> nearest("HCL", ["HCl", "HF", "I2"])
    "did you mean 'HCl'?"
    >>> nearest("xyz", ["HCl", "HF"])
    "known: 'HCl', 'HF'"
    """
    names = sorted(known)
    folded = {known_name.lower(): known_name for known_name in names}
    close = [folded[hit] for hit in difflib.get_close_matches(name.lower(), folded, n=n_offered, cutoff=0.5)]
    if close:
        return "did you mean " + " or ".join(repr(hit) for hit in close) + "?"
    more = f" and {len(names) - N_LISTED} more" if len(names) > N_LISTED else ""
    return "known: " + ", ".join(repr(known_name) for known_name in names[:N_LISTED]) + more


def short(value: Any, *, quoted: bool = False) -> str:
    """A value for an error message, cut where it is long.

    Args:
        value: what was given.
        quoted: text in quotes, as `repr` writes it.

    >>> short("abc", quoted=True), short(10**4400)
    ("'abc'", 'a number of more than 4000 digits')
    """
    try:
        text = repr(value) if quoted else str(value)
    except ValueError:  # Python writes no whole number of more digits
        return "a number of more than 4000 digits"
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."
