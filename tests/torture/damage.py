"""Damages files at random: bytes flipped, cut, shifted or blanked, and values of their content replaced."""

import copy
import math
import os
import random
from pathlib import Path
from typing import Any

import torch

Path_ = tuple[Any, ...]
"""The keys that lead to a value of nested content."""


class Malicious:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def damaged(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """The bytes of a file after an accident, and what happened to them."""
    changed, at = bytearray(data), chance.randrange(len(data))
    length = min(chance.choice([1, 4, 64, 4096]), len(data) - at)
    kind = chance.choice(["flip", "flip", "flips", "cut", "blank", "repeat", "lose", "append"])
    if kind == "flip":
        changed[at] ^= 1 << chance.randrange(8)
    elif kind == "flips":
        for _ in range(chance.randrange(2, 20)):
            changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del changed[at:]
    elif kind == "blank":
        changed[at : at + length] = bytes(length)
    elif kind == "repeat":
        changed[at:at] = changed[at : at + length]
    elif kind == "lose":
        del changed[at : at + length]
    else:
        changed += changed[:length]
    return bytes(changed), f"{kind} at {at} of {len(data)}, {length} bytes"


NONSENSE = (None, math.nan, math.inf, -1, 10**30, 1e300, "text", "", [], {}, True, [None], {"_target_": "os.system"})


def leaves(content: Any, path: Path_ = ()) -> list[Path_]:
    """The places of all values in nested content, those of containers included."""
    if isinstance(content, dict):
        inside = content.items()
    elif isinstance(content, list | tuple):
        inside = enumerate(content)  # type: ignore[assignment]
    else:
        return [path]
    return [path, *(place for key, value in inside for place in leaves(value, (*path, key)))]


def at(content: Any, path: Path_) -> Any:
    """The value at a place."""
    for key in path:
        content = content[key]
    return content


def rewritten(content: Any, chance: random.Random, *, below: Path_ = ()) -> tuple[Any, str]:
    """Nested content with a value replaced by nonsense, or lost, and where."""
    places = [path for path in leaves(at(content, below)) if path]
    place = (*below, *chance.choice(places))
    changed = copy.deepcopy(content)
    parent, key = _opened(changed, place[:-1]), place[-1]
    old = parent[key]
    if isinstance(parent, dict) and chance.random() < 0.2:
        del parent[key]
        return changed, f"{place} was lost"
    if isinstance(old, torch.Tensor):
        new: Any = chance.choice([_filled(old, math.nan), _filled(old, math.inf), old.flatten()[:-1], None, "text"])
    else:
        new = chance.choice([value for value in NONSENSE if type(value) is not type(old) or value != old])
    parent[key] = new
    shown = f"a tensor of {new.flatten()[:1].tolist()}..." if isinstance(new, torch.Tensor) else repr(new)
    return changed, f"{place} = {shown}, was {str(old)[:40]}"


def _filled(old: torch.Tensor, value: float) -> torch.Tensor:
    new = old.clone()
    if new.is_floating_point() and new.numel():
        new.view(-1)[0] = value
        return new
    return new.double()


def _opened(content: Any, path: Path_) -> Any:
    """The container at a place; tuples on the way become lists, which can be changed."""
    for depth in range(len(path)):
        inner = at(content, path[: depth + 1])
        if isinstance(inner, tuple):
            at(content, path[:depth])[path[depth]] = list(inner)
    return at(content, path)


def same(first: Any, second: Any) -> bool:
    """Whether nested content is equal, bit for bit; NaN equals NaN."""
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        same_kind = first.dtype == second.dtype and first.shape == second.shape
        return same_kind and first.contiguous().numpy().tobytes() == second.contiguous().numpy().tobytes()
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(value, second[key]) for key, value in first.items())
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and (first == second or (first != first and second != second))
