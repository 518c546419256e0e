"""``python simulate.py``: a trained predictor propagates new initial states; a killed run can be resumed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mlmd.cli.factories import Values, check_device, make_regime, make_system
from mlmd.cli.instantiate import build
from mlmd.cli.on_the_fly import learn_on_the_fly
from mlmd.cli.resume import resumable, resumed_config
from mlmd.cli.settings import Component, SimulateSettings
from mlmd.cli.trackers import make_trackers
from mlmd.cli.trust import import_modules_of, require_trusted, with_own_caches
from mlmd.data.generation import draw_initial, trajectory_metadata
from mlmd.errors import ConfigError, DataError
from mlmd.evaluation.evaluate import RolloutEvaluation, evaluate_system
from mlmd.io.identity import identity
from mlmd.io.load_predictor import find_checkpoint, load_predictor_and_config
from mlmd.io.run_folder import REFERENCE_FILE, TRAJECTORY_FILE, RunFiles, peak_memory_MB, stored_config
from mlmd.io.trajectory_file import TrajectoryFile
from mlmd.io.xyz import write_extended_xyz
from mlmd.models import VelocityPredictor
from mlmd.progress import say, say_diverged
from mlmd.propagation import Dynamics, Engine, Injection, reference_dynamics
from mlmd.propagation.simulate_to_file import RecordingPlan, record
from mlmd.reporting.console import print_summary
from mlmd.reporting.run_labels import run_label, run_words, short_name
from mlmd.reporting.run_page import REPORT_FILE, write_run_page
from mlmd.reporting.run_report import draw_rollouts, leave_curves
from mlmd.reporting.style import RunLabel
from mlmd.reporting.trackers import TrackedRun, Tracker
from mlmd.systems import System

LEFT_BEHIND = ("metrics.json", "curves.json", "replicas.csv", REPORT_FILE, "trajectory_*.xyz")
"""What a run writes near its end, and an earlier run in the same folder may have left."""

OF_ANOTHER_RUN = (REFERENCE_FILE, "*.end.pt")
"""What a shorter run that is extended continues, and another run in the same folder may have left."""

NOT_DECIDING = ("resume", "trust", "judge", "energy_every", "xyz", "threads", "logger", "figures")
"""Keys that leave every frame as it is."""

OF_TRAINING = ("system", "hamiltonian", "regime")
"""Components that are those of the training where they are not given."""


def simulate(
    config: Values, *, folder: str, overrides: list[str], injection_name: str, began: float | None = None
) -> dict[str, float]:
    """Propagate, store, judge and report.

    Args:
        config: the resolved configuration.
        folder: where everything goes.
        overrides: what the command line changed, for the record.
        began: `time.perf_counter` at the start of the command, for the cost in all; now if not given.
        injection_name: name of the chosen injection, under which it is reported.

    Returns:
        What ``metrics.json`` holds.

    Raises:
        MlmdError: bad input, each with its own words.
    """
    began = time.perf_counter() if began is None else began
    stored = None
    if config["resume"] is not None:
        stored = stored_config(Path(config["resume"]))
        config = _resumed(config, overrides)
    else:
        modified = any(override.startswith("injection.") for override in overrides)
        config = {**config, "injection_name": injection_name + ("_modified" if modified else "")}
    if config["mode"] == "on_the_fly":
        return learn_on_the_fly(config, stored=stored, folder=folder, overrides=overrides, began=began)
    settings = SimulateSettings.from_config(config)
    torch.set_num_threads(settings.threads)
    device = check_device(settings.device)
    import_modules_of(config.get("trust") or ())
    predictor, trained = load_predictor_and_config(settings.checkpoint)
    require_trusted(trained, find_checkpoint(settings.checkpoint), trusted=config.get("trust") or ())
    trained = with_own_caches(trained, config)
    parts = {name: getattr(settings, name) or Component.of(trained[name], name) for name in OF_TRAINING}
    config = {**config, **{name: part.node for name, part in parts.items()}}
    system, regime = make_system(parts["system"], parts["hamiltonian"]), make_regime(parts["regime"])
    settings.check_frames(system=system.name, steps_per_period=system.period_fs / system.dt_fs)
    dynamics = Dynamics(
        system=system,
        injection=build(settings.injection, Injection),
        predictor=predictor.to(device),
        start_step=settings.start_step,
        device=device,
        engine=build(settings.engine, Engine),
    )
    files = RunFiles(Path(folder), seed=settings.seed, overrides=overrides)
    nodes = {"regime": parts["regime"].node, "hamiltonian": parts["hamiltonian"].node}
    words = run_words(system, predictor, **nodes, seed=settings.seed)
    n_learned_steps = settings.n_steps - settings.start_step
    label = run_label(words, n_replicas=settings.n_replicas, n_steps=n_learned_steps, dt_fs=system.dt_fs)
    say(f"mlmd: {label.title}, {settings.injection_name}, {settings.n_replicas} replicas, {settings.n_steps} steps")
    _say_departures(parts, trained)
    extends = stored is not None and stored["n_steps"] != settings.n_steps
    _begin(files, config, resumes=stored is not None, extends=extends)
    plan = RecordingPlan(
        n_steps=settings.n_steps,
        every=settings.every,
        chunk_steps=settings.chunk_steps,
        identity_of=partial(_identity, stored or config, predictor),
        resumes=stored is not None,
    )
    initial = draw_initial(system, regime, settings.n_replicas, seed=settings.seed, purpose="simulation")
    tracked = TrackedRun(files.folder, config, "simulate", words, predictor, files.provenance)
    title = f"{label.title}, {settings.injection_name}"
    with resumable("simulate", files.folder):
        with make_trackers(settings.logger, tracked, is_main=True) as tracker:
            metrics = _run(_Job(settings, files, label, dynamics, initial, plan, tracker), began=began)
        write_run_page(files.folder, metrics, title=title, lead=label.caption)
        files.write_metrics(metrics)
    print_summary(metrics, files.folder, title)
    return metrics


@dataclass(frozen=True)
class _Job:
    settings: SimulateSettings
    files: RunFiles
    label: RunLabel
    dynamics: Dynamics
    initial: tuple[Tensor, Tensor]
    plan: RecordingPlan
    tracker: Tracker

    @property
    def name(self) -> str:
        """Of the injection, for reports."""
        return str(self.settings.injection_name)


def _begin(files: RunFiles, config: Values, *, resumes: bool, extends: bool) -> None:
    """Start the run's folder, and remove from it what an earlier run, or a shorter one that is extended, has left."""
    files.begin(config, resumes=resumes)
    if not resumes or extends:
        for left_behind in LEFT_BEHIND if extends else LEFT_BEHIND + OF_ANOTHER_RUN:
            for path in files.folder.glob(left_behind):
                path.unlink()
    if extends:
        files.write_config(config, is_extended=True)


def _identity(config: Values, predictor: VelocityPredictor, n_steps: int) -> str:
    """The identity of the frames as they were begun: an older version has written another configuration."""
    return identity({**config, "n_steps": n_steps}, not_deciding=NOT_DECIDING, predictor=predictor)


def _run(job: _Job, *, began: float) -> dict[str, float]:
    """Propagate, store, judge and report; each stage continues where a killed run left it."""
    system, settings, files = job.dynamics.system, job.settings, job.files
    target = files.folder / TRAJECTORY_FILE
    metadata = trajectory_metadata(system, seed=settings.seed) | {
        "checkpoint": str(Path(settings.checkpoint).resolve()),
        "injection": settings.injection.node,
        "start_step": settings.start_step,
        "provenance": files.provenance,
    }
    recorded = record(job.dynamics, job.initial, target, job.plan, name=job.name, metadata=metadata)
    metrics: dict[str, float] = {"cost/simulate_s": time.perf_counter() - began}
    diverged_at = {int(replica): step for replica, step in recorded["diverged_at"].items()}
    curves = None
    if settings.judge:
        evaluation = _judge(target, job)
        curves, scores = evaluation.curves, evaluation.scores[job.name] | recorded["counts"]
        metrics |= {f"rollout/{job.name}/{quantity}": value for quantity, value in scores.items()}
        leave_curves(files.folder, curves, {job.name: diverged_at}, label=job.label, system=system)
    if settings.xyz:
        _write_xyz(target, files.folder, system, keep=job.plan.resumes)
    metrics |= {"cost/total_s": time.perf_counter() - began, "cost/peak_memory_MB": peak_memory_MB()}
    job.tracker.finish(files, metrics, curves)
    say_diverged(job.name, diverged_at, n_replicas=settings.n_replicas)
    return metrics


def _resumed(given: Values, overrides: list[str]) -> Values:
    folder = Path(given["resume"])
    config = resumed_config(given, overrides, longer=("n_steps",))
    if "injection_name" not in config:
        raise DataError(f"{folder} is not the folder of a simulation; train.py resumes a training run")
    is_longer = any(override.startswith("n_steps=") for override in overrides)
    if is_longer and config["mode"] == "on_the_fly":
        raise ConfigError("a run on the fly cannot be extended; begin a new one with this n_steps")
    if (folder / "metrics.json").is_file() and not is_longer:
        raise DataError(f"{folder} is complete, there is nothing to resume; a larger n_steps= makes it longer")
    return config


def _say_departures(parts: Mapping[str, Component], trained: Values) -> None:
    """Tell what the predictor was not trained with; other atoms or another time step were refused before."""
    for name, part in parts.items():
        if part.node != trained[name]:
            was, now = short_name(trained[name]), short_name(part.node)
            say(f"note: trained with {name} {was}, now {now if now != was else 'with other values'}")


def _judge(target: Path, job: _Job) -> RolloutEvaluation:
    """Scores and curves against reference dynamics from the same states; its force calls are not the run's."""
    system, settings = job.dynamics.system, job.settings
    reference = job.files.folder / REFERENCE_FILE
    record(
        reference_dynamics(system, device=job.dynamics.device),
        job.initial,
        reference,
        replace(job.plan, identity_of=lambda n_steps: f"{job.plan.identity_of(n_steps)} reference"),
        name="reference",
        metadata=trajectory_metadata(system, seed=settings.seed) | {"provenance": job.files.provenance},
    )
    first, every = settings.first_judged_frame, settings.energy_every
    with TrajectoryFile(target) as learned, TrajectoryFile(reference) as true:
        evaluation = evaluate_system({job.name: learned}, true, system, first=first, energy_every=every)
    if settings.figures:
        draw_rollouts(job.files.figures, evaluation.curves, label=job.label)
    return evaluation


def _write_xyz(target: Path, folder: Path, system: System, *, keep: bool) -> None:
    """One file a replica; with ``keep`` those that are there, whole as they are, are not written again."""
    with TrajectoryFile(target) as trajectory:
        for replica in range(trajectory.n_replicas):
            path = folder / f"trajectory_{replica:04d}.xyz"
            if not (keep and path.exists()):
                write_extended_xyz(
                    path,
                    trajectory,
                    symbols=system.symbols,
                    masses_u=system.masses_u,
                    dt_fs=system.dt_fs,
                    replica=replica,
                )
