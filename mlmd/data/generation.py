"""Generates the reference trajectories of training, validation and test, each split from its own initial states."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.io.trajectory_cache import cached_trajectory
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.state import Trajectory
from mlmd.systems import Regime, System, method_values

DATA_VERSION = 1
"""Increased with every change of integrator or sampling that changes trajectories, so that old caches expire."""

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class DataPlan:
    """The amount of reference data; every trajectory belongs to one split.

    Attributes:
        n_train: number of training trajectories, at least 1.
        n_val: number of validation trajectories, at least 1.
        n_test: number of trajectories for the one-step test, at least 1.
        n_steps: length of each trajectory, MD steps, at least 1.

    Raises:
        ConfigError: a value is below 1.
    """

    n_train: int
    n_val: int
    n_test: int
    n_steps: int

    def __post_init__(self) -> None:
        for name in ("n_train", "n_val", "n_test", "n_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.trajectories.{name} = {getattr(self, name)} must be at least 1")


def split_seed(seed: int, purpose: str) -> int:
    """A seed derived for one purpose, so that no two purposes draw the same random numbers.

    >>> split_seed(1, "train") != split_seed(1, "test")
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:7], "big")


def draw_initial(system: System, regime: Regime, n_replicas: int, *, seed: int, purpose: str) -> tuple[Tensor, Tensor]:
    """Draw initial on-step positions (A) and velocities (A/fs), [replica, atom, xyz], for one purpose."""
    generator = torch.Generator().manual_seed(split_seed(seed, purpose))
    return regime.draw(system, n_replicas, generator=generator)


def reference_data(
    system: System,
    regime: Regime,
    plan: DataPlan,
    *,
    seed: int,
    cache_folder: Path | None,
    recipe: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> dict[str, Trajectory]:
    """Generate the trajectories of all splits, or read them from the cache.

    Args:
        system: the simulated system.
        regime: draws initial states.
        plan: amount of data.
        seed: seed of the run.
        cache_folder: folder that stores trajectories for later runs; None stores none.
        recipe: the settings that determine the trajectories (system, Hamiltonian, regime).
        provenance: stored beside the trajectories.

    Returns:
        Trajectories by split ("train", "val", "test"); every MD step is a frame.
    """
    counts = {"train": plan.n_train, "val": plan.n_val, "test": plan.n_test}
    splits: dict[str, Trajectory] = {}
    for split in SPLITS:

        def make(split: str = split) -> Trajectory:
            drawn_from = regime.for_training() if split == "train" else regime
            initial = draw_initial(system, drawn_from, counts[split], seed=seed, purpose=split)
            return Propagator.begin(reference_dynamics(system), *initial).advance(plan.n_steps)

        if cache_folder is None:
            splits[split] = make()
            continue
        full_recipe = {
            **recipe,
            "data_version": DATA_VERSION,
            "numbers": _numbers(system),
            "split": split,
            "n": counts[split],
            "n_steps": plan.n_steps,
            "seed": seed,
        }
        metadata = trajectory_metadata(system, seed=seed) | {"provenance": dict(provenance)}
        splits[split] = cached_trajectory(cache_folder, full_recipe, make, metadata=metadata)
    return splits


def _numbers(system: System) -> dict[str, Any]:
    """The numbers of a system that determine its trajectories, besides the names in its settings."""
    numbers: dict[str, Any] = {"masses_u": list(system.masses_u), "dt_fs": system.dt_fs}
    constants = getattr(system.hamiltonian, "constants", None)
    if constants is not None:
        return asdict(constants) | numbers
    numbers |= {"symbols": list(system.symbols), "equilibrium_A": system.equilibrium_A}
    method = getattr(system.hamiltonian, "method", None)
    numbers |= {} if method is None else {"method": method_values(method)}
    return numbers | ({} if system.modes is None else {"modes": asdict(system.modes)})


def trajectory_metadata(system: System, *, seed: int) -> dict[str, Any]:
    """The metadata of every stored trajectory of a system."""
    return {
        "system": system.name,
        "symbols": list(system.symbols),
        "masses_u": list(system.masses_u),
        "dt_fs": system.dt_fs,
        "seed": seed,
        "units": {"length": "angstrom", "time": "fs", "mass": "u", "energy": "eV"},
    }
