"""The line below a figure: the command, and how many replicas, steps, which time step and seeds are behind it."""

from collections.abc import Iterable, Sequence
from typing import Any

from experiments.study.runs import Run


def rollout_caption(name: str, runs: Sequence[Run], note: str = "") -> str:
    """Of the rollouts of training runs, or of simulations.

    Args:
        name: of the experiment.
        runs: all that the figure shows.
        note: how to read its marks, appended.
    """
    replicas, steps = _several(_length(run.config)[0] for run in runs), _several(_length(run.config)[1] for run in runs)
    dt = _several(run.config["system"]["dt_fs"] for run in runs)
    seeds = _several(run.config["seed"] for run in runs)
    told = f"python -m experiments {name}; {replicas} replicas, {steps} steps after ML takes over, dt = {dt} fs"
    words = "seeds" if "," in seeds else "seed"
    return f"{told}, {words} {seeds}" + (f"; {note}" if note else "")


def _length(config: dict[str, Any]) -> tuple[int, int]:
    """Replicas, and steps after ML takes over."""
    if "rollout" in config:
        return config["rollout"]["n_replicas"], config["rollout"]["n_steps"]
    return config["n_replicas"], config["n_steps"] - config["start_step"]


def _several(values: Iterable[float]) -> str:
    return ", ".join(f"{value:,}" if isinstance(value, int) else f"{value:g}" for value in sorted(set(values)))
