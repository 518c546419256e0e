"""``python simulate.py mode=on_the_fly``: plain MD that trains its own predictor, hands over to it and watches it."""

import time
from pathlib import Path

import lightning
import torch
from torch import Tensor

from mlmd.cli.factories import (
    Values,
    check_device,
    check_seed,
    make_predictor,
    make_regime,
    make_system,
)
from mlmd.cli.instantiate import build
from mlmd.cli.program import typed_command
from mlmd.data.generation import draw_initial, trajectory_metadata
from mlmd.decomposition.domain import check_reach
from mlmd.errors import CalculatorError, ConfigError, PhysicsError
from mlmd.io.run_folder import RunFiles, peak_memory_MB
from mlmd.models import VelocityPredictor, model_name
from mlmd.on_the_fly import Ledger, OnTheFly, OnTheFlyPlan, Reach
from mlmd.on_the_fly.folder_backend import LearningStore
from mlmd.on_the_fly.trainings import Rounds
from mlmd.progress import say
from mlmd.propagation import Propagator
from mlmd.reporting.console import print_summary
from mlmd.reporting.on_the_fly_report import LEFT_BEHIND, report
from mlmd.reporting.run_labels import short_name
from mlmd.reporting.run_page import write_run_page
from mlmd.reporting.style import RunLabel
from mlmd.systems import System
from mlmd.training.trainer import check_trainer, quiet_lightning

INTERRUPTED = 130
"""Exit code of a process ended from the keyboard, by the custom of shells."""

NOT_HERE = ("checkpoint", "start_step", "chunk_steps", "xyz")
"""Keys of simulate.py that mean nothing where a run trains its own predictor."""


def learn_on_the_fly(
    values: Values, *, folder: str, overrides: list[str], injection_name: str, began: float
) -> dict[str, float]:
    """Simulate, learn, judge and report.

    Args:
        values: the resolved configuration; that of the run to go on with where it resumes.
        folder: where everything goes.
        overrides: what the command line changed, for the record.
        injection_name: name of the chosen injection, under which it is reported.
        began: `time.perf_counter` at the start of the command.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        MlmdError: bad input, each with its own words.
    """
    _check(values, overrides)
    quiet_lightning()
    torch.set_num_threads(values["threads"])
    lightning.seed_everything(check_seed(values["seed"]), verbose=False)
    device = check_device(values["device"])
    check_trainer(values)
    system, regime = make_system(values), make_regime(values)
    predictor, batches = make_predictor(values, system), build(values["data"]["batches"], "data.batches")
    plan: OnTheFlyPlan = build(values["on_the_fly"], "on_the_fly")
    least_steps = batches.sequence_length + predictor.first_input
    plan.check_history(predictor.n_history, least_steps)
    injection, engine = build(values["injection"], "injection"), build(values["engine"], "engine")
    propagator = Propagator(system, injection=injection, predictor=None, device=device, engine=engine)
    values = dict(values) | {"injection_name": injection_name}
    files = RunFiles(Path(folder), values, overrides=overrides)
    label = _label(values, system, predictor)
    say(f"mlmd: {label.title}, {injection_name}, {label.caption}")
    files.begin()
    rounds = Rounds(values, files, system=system, batches=batches)
    if values["resume"] is None:
        rounds.clear()
        for name in LEFT_BEHIND:
            (files.folder / name).unlink(missing_ok=True)
    store = LearningStore(files.folder, values, rounds)
    ledger = Ledger(began=began)
    run = OnTheFly(
        propagator,
        plan,
        store,
        ledger,
        least_steps=least_steps,
        every=values["every"],
        reach=_reach(predictor, system),
    )
    initial = draw_initial(system, regime, values["n_replicas"], seed=values["seed"], purpose="simulation")
    metadata = trajectory_metadata(system, seed=values["seed"]) | {
        "injection": values["injection"],
        "provenance": files.provenance,
    }
    go_on = f"{typed_command('simulate')} resume={files.folder}"
    try:
        outcome = store.go(run, initial, metadata)
    except KeyboardInterrupt:
        say(f"interrupted; go on with: {go_on}")
        raise SystemExit(INTERRUPTED) from None
    except (CalculatorError, PhysicsError) as error:
        raise type(error)(f"{error} (near step {run.step}; all up to the last save is kept: {go_on})") from error
    metrics = report(outcome, files, system=system, label=label, device=torch.device(device))
    metrics |= {"cost/total_s": time.perf_counter() - began, "cost/peak_memory_MB": peak_memory_MB()}
    files.write_metrics(metrics)
    if outcome["standing"]["predictor"]:
        rounds.publish(outcome["standing"]["predictor"])
    title = f"{label.title}, {injection_name}"
    write_run_page(files.folder, title=title, lead=label.caption)
    print_summary(metrics, files.folder, title)
    return metrics


def _check(values: Values, overrides: list[str]) -> None:
    """Refuse what this mode does not know, and numbers out of range."""
    for override in overrides:
        if override.split("=")[0].lstrip("+") in NOT_HERE:
            raise ConfigError(f"{override}: mode=on_the_fly decides this by itself; remove it")
    for name, least in (("n_steps", 2), ("n_replicas", 1), ("every", 1), ("judge_frames", 1), ("reference_steps", 0)):
        if values[name] is None or values[name] < least:
            raise ConfigError(f"{name} = {values[name]} must be at least {least}")


def _reach(predictor: VelocityPredictor, system: System) -> Reach | None:
    """How far a molecule may go whose normal modes are read; Cartesian components in the lab hold everywhere."""
    geometry = getattr(predictor.decomposition, "geometry", None)
    if geometry is None:
        return None

    def reach(positions: Tensor, step: int) -> None:
        check_reach(geometry, positions, name=system.name, symbols=system.symbols, step=step)

    return reach


def _label(values: Values, system: System, predictor: VelocityPredictor) -> RunLabel:
    return RunLabel(
        system=system.name,
        variant=f"{model_name(predictor.spec)} on the fly",
        regime=short_name(values["regime"]),
        hamiltonian=short_name(values["hamiltonian"]),
        n_replicas=values["n_replicas"],
        n_steps=values["n_steps"],
        dt_fs=system.dt_fs,
        seed=values["seed"],
    )
