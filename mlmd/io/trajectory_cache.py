"""A folder of trajectories, each found by a digest of the recipe that made it."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlmd.errors import DataError
from mlmd.files import as_json, require_writable_folder
from mlmd.io.trajectory_file import read_trajectory, write_trajectory
from mlmd.state import Trajectory

_log = logging.getLogger(__name__)


def cache_path(folder: str | Path, recipe: Mapping[str, Any]) -> Path:
    """The file of a recipe in a cache folder.

    The order of keys does not matter:

    >>> cache_path("cache", {"seed": 0, "dt_fs": 0.5}) == cache_path("cache", {"dt_fs": 0.5, "seed": 0})
    True
    """
    return Path(folder) / f"{hashlib.sha256(_canonical(recipe).encode()).hexdigest()[:16]}.h5"


def cached_trajectory(
    folder: str | Path, recipe: Mapping[str, Any], make: Callable[[], Trajectory], *, metadata: Mapping[str, Any]
) -> Trajectory:
    """Read the trajectory of a recipe from the cache folder, or make it and store it there.

    A cache file that is damaged or has another recipe is reported as a warning and made again. If two processes make
    the same file at once, both succeed and the later file stays.

    Args:
        folder: the cache folder.
        recipe: everything that determines the trajectory, in values that JSON can hold.
        make: returns the trajectory.
        metadata: stored beside it, together with the recipe.

    Raises:
        DataError: the folder cannot be written; this is checked before `make` is called.
    """
    path = cache_path(folder, recipe)
    if path.exists():
        try:
            trajectory, stored = read_trajectory(path)
            if _canonical(stored.get("recipe", {})) == _canonical(recipe):
                return trajectory
            _log.warning("%s was made by another recipe; making it again", path)
        except DataError as error:
            _log.warning("making a cached trajectory again: %s", error)
    require_writable_folder(folder)
    trajectory = make().to("cpu")
    write_trajectory(path, trajectory, metadata={**metadata, "recipe": recipe})
    return trajectory


def _canonical(recipe: Mapping[str, Any]) -> str:
    """The same text for the same recipe, whatever the order of its keys."""
    return json.dumps(as_json(recipe), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
