"""The minimum of a molecule and its vibrations by a level of theory, cached on disk."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlmd.errors import ConfigError
from mlmd.files import as_json, write_json
from mlmd.hamiltonians import Method
from mlmd.systems.modes import NormalModes, Vector
from mlmd.systems.normal_modes import STEP_A, normal_modes
from mlmd.systems.orientation import oriented
from mlmd.systems.relaxation import MAX_FORCE_EV_PER_A, relax
from mlmd.systems.structure import Structure

MINIMUM_VERSION = 1
"""Raised with every change that changes minima or modes; older caches are left alone."""

SOFT_CM1 = 50.0
"""Below this a vibration is rather a hindered rotation, of which harmonic modes say little."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Minimum:
    """Where a molecule is at rest.

    Attributes:
        energy_eV: energy there, eV, on the method's own scale.
        positions_A: [atom][xyz], A, in the frame of `oriented`.
        modes: vibrations about it.
    """

    energy_eV: float
    positions_A: tuple[Vector, ...]
    modes: NormalModes


def find_minimum(name: str, start: Structure, method: Method, *, cache: str | None) -> Minimum:
    """The minimum below a start geometry, from the cache folder where it is there.

    Args:
        name: of the molecule, for messages.
        start: atoms and where they start.
        method: level of theory.
        cache: folder of earlier minima; None keeps nothing.

    Raises:
        ConfigError: it is no minimum but a saddle point.
        CalculatorError: a calculation fails, or the geometry does not converge.
        PhysicsError: the molecule falls apart on its way.
        DataError: the cache cannot be written.
    """
    recipe = _recipe(start, method)
    keeps = cache is not None and not _is_nameless(recipe)
    path = Path(str(cache)) / f"minimum-{_digest(recipe)[:16]}.json" if keeps else None
    minimum = None if path is None else _stored(path, recipe)
    if minimum is None:
        minimum = _computed(name, start, method)
        if path is not None:
            result = as_json(dataclasses.asdict(minimum))
            write_json(path, {"recipe": recipe, "sha256": _digest(result), "result": result})
    if minimum.modes.wavenumbers_cm1[0] < SOFT_CM1:
        softest = minimum.modes.wavenumbers_cm1[0]
        _log.warning("%s has a soft mode at %.0f cm^-1, which is far from harmonic", name, softest)
    return minimum


def _is_nameless(recipe: Mapping[str, Any]) -> bool:
    """Whether a method is made by a lambda or a local function, whose name may be another one's tomorrow."""
    return any(mark in json.dumps(recipe) for mark in ("<lambda>", "<locals>"))


def method_values(method: Method) -> dict[str, Any]:
    """What decides the energies of a method, in words and numbers: its class and the values that make it equal another.

    How many processes share its work is none of them.
    """
    if dataclasses.is_dataclass(method):
        names = [field.name for field in dataclasses.fields(method) if field.compare]
    else:
        names = [name for name in vars(method) if not name.startswith("_")]
    values = {name: _plain(getattr(method, name)) for name in sorted(names) if name != "n_processes"}
    return {"class": f"{type(method).__module__}.{type(method).__qualname__}", **values}


def _computed(name: str, start: Structure, method: Method) -> Minimum:
    single_point = method.single_point(start.symbols)
    masses = np.array(start.masses_u)
    energy, relaxed = relax(single_point, start.positions, symbols=start.symbols, name=name)
    positions, linear = oriented(relaxed, masses)
    modes = normal_modes(lambda displaced: single_point(displaced)[1], positions, masses, linear=linear)
    softest = modes.wavenumbers_cm1[0]
    if softest <= 0:
        raise ConfigError(
            f"{name} is not at a minimum of {method.name} but at a saddle point (a mode of {-softest:.0f}i cm^-1): "
            "its start geometry is too symmetric; move its atoms by some 0.1 A in a file for system.structure"
        )
    x, y, z = positions.T.tolist()
    return Minimum(energy, tuple(zip(x, y, z, strict=True)), modes)


def _recipe(start: Structure, method: Method) -> dict[str, Any]:
    recipe: dict[str, Any] = as_json(
        {
            "version": MINIMUM_VERSION,
            "method": method_values(method),
            "symbols": start.symbols,
            "masses_u": start.masses_u,
            "start_A": start.positions.tolist(),
            "max_force_eV_per_A": MAX_FORCE_EV_PER_A,
            "step_A": STEP_A,
        }
    )
    return recipe


def _stored(path: Path, recipe: Mapping[str, Any]) -> Minimum | None:
    """What an earlier run left, if it is whole."""
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        result = stored["result"]
        if stored["recipe"] != recipe or stored["sha256"] != _digest(result):
            raise ValueError("its contents were changed")
        vectors = tuple(tuple((x, y, z) for x, y, z in vector) for vector in result["modes"]["vectors"])
        modes = NormalModes(vectors, tuple(result["modes"]["wavenumbers_cm1"]))
        return Minimum(result["energy_eV"], tuple((x, y, z) for x, y, z in result["positions_A"]), modes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("computing a cached minimum again: %s is damaged (%s)", path, error)
        return None


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A value of a method as JSON knows it; of functions and classes their names."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)
