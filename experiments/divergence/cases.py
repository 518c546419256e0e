"""What the runs of the divergence study are called and how they are scored."""

import math
import statistics

from experiments.study.runs import Run

MODELS = ("3vR0", "3uR0", "DuR0")


def optimizer_of(run: Run) -> str:
    """The name of its choice."""
    return "soap" if str(run.config["optimizer"]["_target_"]).endswith("SoapPlan") else "adam"


def epochs_of(run: Run) -> int:
    """Epochs of training, before any retraining."""
    return int(run.config["trainer"]["max_epochs"])


def rounds_of(run: Run) -> int:
    """Rounds of retraining that were planned."""
    return int(run.config["retraining"]["rounds"])


def setting_of(run: Run) -> str:
    """Optimizer and epochs, e.g. "soap, 12 epochs"."""
    return f"{optimizer_of(run)}, {epochs_of(run)} epochs"


def missing_percent(run: Run) -> float:
    """What the velocity accuracy misses of 100 %."""
    return 100.0 - run.score("test/velocity_accuracy_percent")


def energy_error(run: Run, schedule: str) -> float:
    """Of the median replica; infinite where that one diverged."""
    return run.score(f"rollout/{schedule}/energy_error_median")


def n_diverged(run: Run, schedule: str) -> int:
    """Replicas whose energy doubled or whose bond broke."""
    return int(run.score(f"rollout/{schedule}/diverged_replicas"))


def n_replicas(run: Run) -> int:
    """Replicas of every rollout."""
    return int(run.config["rollout"]["n_replicas"])


def median_divergence_step(run: Run, schedule: str) -> float:
    """Step at which half of the replicas had left the band of bond lengths; infinite where fewer did."""
    steps = [row.diverged_at_step for row in run.replicas if row.schedule == schedule]
    return statistics.median_high(math.inf if step is None else float(step) for step in steps)


def energy_ratio(run: Run, kind: str, schedule: str) -> float | None:
    """Energy over the reference's in the last window, median of the replicas with a bond; None where none has one."""
    curves = run.curves
    at_end, of_reference = (part[kind]["median"][-1] for part in (curves["schedules"][schedule], curves["reference"]))
    return None if at_end is None else float(at_end / of_reference)


def provenance_of(runs: list[Run]) -> str:
    """Replicas, steps, dt and seeds of the runs behind a figure."""
    if not runs:
        return "no runs"
    config = runs[0].config
    seeds = sorted({run.config["seed"] for run in runs})
    return (
        f"{config['rollout']['n_replicas']} replicas, {config['rollout']['n_steps']:,} steps, "
        f"dt = {config['system']['dt_fs']:g} fs, seeds {', '.join(map(str, seeds))}"
    )
