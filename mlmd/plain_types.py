"""Compares plain values, as configurations and files hold them, with the annotated types of what takes them."""

import math
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

MAX_WHOLE = 2**63 - 1
"""Largest whole number that the numerical libraries take."""

_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_ITEMS = {"a number": "numbers", "a whole number": "whole numbers", "text": "texts"}


def fits(value: Any, kind: Any) -> bool:
    """Whether a plain value is of an annotated type; other types than plain ones and sequences fit everything.

    A number has to be finite, a whole number within 64 bits. A list stands for a tuple, and text for the words of a
    ``Literal``, which the class checks itself.

    >>> fits(1, float), fits(float("nan"), float), fits(True, int), fits([1.0, 2.0], tuple[float, float])
    (True, False, False, True)
    """
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return type(value) in map(type, get_args(kind))
    if get_origin(kind) in (tuple, list, Sequence):
        return isinstance(value, list | tuple) and _items_fit(value, get_args(kind))
    if kind is NoneType:
        return value is None
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_WHOLE
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)
    return isinstance(value, kind) if kind in (bool, str) else True


def is_finite(value: float) -> bool:
    """Whether a number is finite, as a floating-point number too."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def in_words(kind: Any) -> str:
    """An annotated type for an error message.

    >>> in_words(float | None), in_words(tuple[str, str])
    ('a number, or null', 'a list of texts')
    """
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    words: list[str] = []
    for part in parts:
        if part is NoneType:
            words.append("null")
        elif get_origin(part) is Literal:
            words += [repr(value) for value in get_args(part)]
        elif get_origin(part) in (tuple, list, Sequence):
            words.append(f"a list of {_ITEMS.get(_WORDS.get(get_args(part)[0], ''), 'values')}")
        else:
            words.append(_WORDS.get(part, getattr(part, "__name__", "something else")))
    return ", or ".join(words)


def _items_fit(values: Sequence[Any], kinds: tuple[Any, ...]) -> bool:
    if kinds[-1] is Ellipsis or len(kinds) == 1:
        return all(fits(value, kinds[0]) for value in values)
    # The class checks how many there are, in its own words.
    return all(fits(value, kind) for value, kind in zip(values, kinds, strict=False))
