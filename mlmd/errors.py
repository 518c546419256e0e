"""What a user can meet: errors that say in one line what was wrong, where, and what to do."""

import difflib
from collections.abc import Iterable


class MlmdError(Exception):
    """Base of every error a user can cause; the command line prints it as one line and exits with code 2."""


class ConfigError(MlmdError):
    """A value in the configuration is unknown, missing or out of range."""


class DataError(MlmdError):
    """A file is truncated, altered, of another kind, or cannot be written."""


class MismatchError(MlmdError):
    """A predictor was given a system, time step or variant it was not trained for."""


class CalculatorError(MlmdError):
    """Forces cannot be had: a calculation does not converge, or gives what are no numbers."""


class PhysicsError(MlmdError):
    """A molecule has left what its description holds for: it dissociates, rearranges, or its frame is lost."""


def nearest(name: str, known: Iterable[str], *, n_offered: int = 3) -> str:
    """Words that offer the nearest known names, for the end of an error message.

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
    return "known: " + ", ".join(repr(known_name) for known_name in names)
