"""``python simulate.py mode=on_the_fly``: MD that trains its own predictor and monitors it."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import lightning
import torch

from mlmd.cli.factories import (
    Values,
    check_device,
    make_predictor,
    make_regime,
    make_system,
    make_training_plan,
)
from mlmd.cli.instantiate import build
from mlmd.cli.resume import resumable
from mlmd.cli.settings import OnTheFlySettings
from mlmd.data.generation import draw_initial, trajectory_metadata
from mlmd.errors import CalculatorError, PhysicsError
from mlmd.io.identity import identity
from mlmd.io.run_folder import RunFiles, peak_memory_MB
from mlmd.on_the_fly import Ledger, OnTheFly, OnTheFlyPlan
from mlmd.on_the_fly.evaluate_run import JudgingPlan
from mlmd.on_the_fly.folder_backend import LearningStore
from mlmd.on_the_fly.trainings import Rounds
from mlmd.progress import say
from mlmd.propagation import Dynamics, Engine, Injection
from mlmd.reporting.console import print_summary
from mlmd.reporting.on_the_fly_report import LEFT_BEHIND, report
from mlmd.reporting.run_labels import run_label, run_words
from mlmd.reporting.run_page import write_run_page
from mlmd.training.trainer import quiet_lightning

NOT_DECIDING = (
    "resume",
    "trust",
    "judge",
    "judge_frames",
    "reference_steps",
    "threads",
    "logger",
    "figures",
    "provenance",
)
"""Keys that leave every frame as it is."""


def learn_on_the_fly(
    config: Values, *, stored: Values | None, folder: str, overrides: list[str], began: float
) -> dict[str, float]:
    """Simulate, learn, judge and report.

    Args:
        config: the resolved configuration, with the name of the injection.
        stored: the configuration of the interrupted run that is resumed, as it was written; None for a new run.
        folder: where everything goes.
        overrides: what the command line changed, for the record.
        began: `time.perf_counter` at the start of the command.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        MlmdError: bad input, each with its own words.
    """
    OnTheFlySettings.check_overrides(overrides)
    settings = OnTheFlySettings.from_config(config)
    resumes, name = stored is not None, str(settings.injection_name)
    quiet_lightning()
    torch.set_num_threads(settings.threads)
    lightning.seed_everything(settings.seed, verbose=False)
    device = check_device(settings.device)
    training = make_training_plan(settings, config)
    system, regime = make_system(settings.system, settings.hamiltonian), make_regime(settings.regime)
    predictor = make_predictor(settings, system)
    plan: OnTheFlyPlan = build(settings.on_the_fly, OnTheFlyPlan)
    least_steps = training.batches.sequence_length + predictor.n_input_history
    plan.check_history(predictor.n_history, least_steps)
    injection, engine = build(settings.injection, Injection), build(settings.engine, Engine)
    dynamics = Dynamics(system=system, injection=injection, predictor=None, device=device, engine=engine)
    files = RunFiles(Path(folder), seed=settings.seed, overrides=overrides)
    nodes = {"regime": settings.regime.node, "hamiltonian": settings.hamiltonian.node}
    words = run_words(system, predictor, **nodes, seed=settings.seed)
    words = replace(words, model=f"{words.model} on the fly")
    label = run_label(words, n_replicas=settings.n_replicas, n_steps=settings.n_steps, dt_fs=system.dt_fs)
    say(f"mlmd: {label.title}, {name}, {label.caption}")
    files.begin(config, resumes=resumes)
    rounds = Rounds(training, files, system=system, make_predictor=partial(make_predictor, settings, system))
    if not resumes:
        rounds.clear()
        for left_behind in LEFT_BEHIND:
            (files.folder / left_behind).unlink(missing_ok=True)
    decided_by = identity(stored or config, not_deciding=NOT_DECIDING)
    store = LearningStore(files.folder, rounds, n_steps=settings.n_steps, identity=decided_by, resumes=resumes)
    run = OnTheFly(
        dynamics,
        plan,
        store,
        Ledger(began=began),
        least_steps=least_steps,
        every=settings.every,
        decomposition=predictor.decomposition,
    )
    initial = draw_initial(system, regime, settings.n_replicas, seed=settings.seed, purpose="simulation")
    metadata = trajectory_metadata(system, seed=settings.seed) | {
        "injection": settings.injection.node,
        "provenance": files.provenance,
    }
    errors = (CalculatorError, PhysicsError)
    with resumable("simulate", files.folder, errors=errors, where=lambda: f"near step {run.step}; "):
        outcome = store.go(run, initial, metadata)
    judging = JudgingPlan(
        every=settings.every,
        n_frames=settings.judge_frames,
        reference_steps=settings.reference_steps,
        digest=settings.digest,
        seed=settings.seed,
        resumes=resumes,
    )
    title = f"{label.title}, {name}"
    with resumable("simulate", files.folder, errors=()):
        metrics = report(
            outcome,
            files,
            name=name,
            judging=judging if settings.judge else None,
            draws=settings.figures,
            system=system,
            label=label,
            device=torch.device(device),
        )
        metrics |= {"cost/total_s": time.perf_counter() - began, "cost/peak_memory_MB": peak_memory_MB()}
        if outcome["standing"]["predictor"]:
            rounds.publish(outcome["standing"]["predictor"])
        write_run_page(files.folder, metrics, title=title, lead=label.caption)
        files.write_metrics(metrics)
    print_summary(metrics, files.folder, title)
    return metrics
