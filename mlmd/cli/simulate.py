"""``python simulate.py``: a trained predictor propagates new initial states; a killed run goes on where it stood."""

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mlmd.cli.factories import (
    Values,
    check_device,
    check_seed,
    make_regime,
    make_system,
)
from mlmd.cli.instantiate import build
from mlmd.cli.on_the_fly import learn_on_the_fly
from mlmd.cli.program import typed_command
from mlmd.data.generation import draw_initial, trajectory_metadata
from mlmd.errors import CalculatorError, ConfigError, DataError
from mlmd.evaluation.evaluate import RolloutEvaluation, evaluate_system
from mlmd.io.load_predictor import load_predictor_and_config
from mlmd.io.run_folder import RunFiles, peak_memory_MB, read_config
from mlmd.io.trajectory_file import TrajectoryFile
from mlmd.io.xyz import write_extended_xyz
from mlmd.models import VelocityPredictor, model_name
from mlmd.progress import say, say_diverged
from mlmd.propagation import Propagator, reference_propagator
from mlmd.propagation.simulate_to_file import RecordingPlan, record
from mlmd.reporting.console import print_summary
from mlmd.reporting.run_labels import short_name
from mlmd.reporting.run_page import REPORT_FILE, write_run_page
from mlmd.reporting.run_report import draw_rollouts, leave_curves
from mlmd.reporting.style import RunLabel
from mlmd.reporting.trackers import Tracker
from mlmd.systems import System

INTERRUPTED = 130
"""Exit code of a process ended from the keyboard, by the custom of shells."""

MIN_FRAMES_PER_PERIOD = 8
"""Fewer frames a period than this blur phases; two would be the limit of what a spectrum can tell at all."""

REFERENCE_FILE = "reference.h5"

LEFT_BEHIND = ("metrics.json", "curves.json", "replicas.csv", REPORT_FILE, REFERENCE_FILE, "trajectory_*.xyz")
"""What a run writes near its end, and an earlier run in the same folder may have left."""

POSITIVE = ("n_steps", "n_replicas", "start_step", "every")

NOT_DECIDING = ("resume", "judge", "energy_every", "xyz", "threads", "logger", "figures")
"""Keys that leave every frame as it is."""


def simulate(
    values: Values, *, folder: str, overrides: list[str], injection_name: str, began: float | None = None
) -> dict[str, float]:
    """Propagate, store, judge and report.

    Args:
        values: the resolved configuration.
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
    resumes = values["resume"] is not None
    if resumes:
        values = _resumed_values(values["resume"], overrides)
        injection_name = values["injection_name"]
    elif any(override.startswith("injection.") for override in overrides):
        injection_name += "_modified"
    if values.get("mode") == "on_the_fly":  # simulations of older versions, when resumed, know no mode
        return learn_on_the_fly(values, folder=folder, overrides=overrides, injection_name=injection_name, began=began)
    if values["checkpoint"] is None:
        raise ConfigError(
            "checkpoint is missing: give checkpoint=<file, or folder of a training run>, or mode=on_the_fly"
        )
    _check_numbers(values)
    check_seed(values["seed"])
    torch.set_num_threads(values["threads"])
    device = check_device(values["device"])
    predictor, trained = load_predictor_and_config(values["checkpoint"])
    chosen = {name: values.get(name) or trained[name] for name in ("system", "hamiltonian", "regime")}
    values = dict(values) | chosen | {"injection_name": injection_name}
    system, regime = make_system(values), make_regime(values)
    _check_frames(values, system)
    propagator = Propagator(
        system,
        injection=build(values["injection"], "injection"),
        predictor=predictor.to(device),
        start_step=values["start_step"],
        device=device,
        engine=build(values["engine"], "engine"),
    )
    files = RunFiles(Path(folder), values, overrides=overrides)
    label = RunLabel(
        system=system.name,
        variant=model_name(predictor.spec),
        regime=short_name(values["regime"]),
        hamiltonian=short_name(values["hamiltonian"]),
        n_replicas=values["n_replicas"],
        n_steps=values["n_steps"] - values["start_step"],
        dt_fs=system.dt_fs,
        seed=values["seed"],
    )
    say(f"mlmd: {label.title}, {injection_name}, {values['n_replicas']} replicas, {values['n_steps']} steps")
    _say_departures(chosen, trained)
    _begin(files, resumes=resumes)
    plan = RecordingPlan(
        n_steps=values["n_steps"],
        every=values["every"],
        chunk_steps=values["chunk_steps"],
        identity=_identity(values, predictor),
        resumes=resumes,
    )
    initial = draw_initial(system, regime, values["n_replicas"], seed=values["seed"], purpose="simulation")
    try:
        with files.tracker(system, predictor, job_type="simulate") as tracker:
            metrics = _run(_Job(values, files, label, propagator, initial, plan, tracker), began=began)
    except KeyboardInterrupt:
        say(f"interrupted; go on with: {typed_command('simulate')} resume={files.folder}")
        raise SystemExit(INTERRUPTED) from None
    except CalculatorError as error:
        raise CalculatorError(
            f"{error} (all up to the last save is kept: {typed_command('simulate')} resume={files.folder})"
        ) from error
    title = f"{label.title}, {injection_name}"
    write_run_page(files.folder, title=title, lead=label.caption)
    print_summary(metrics, files.folder, title)
    return metrics


@dataclass(frozen=True)
class _Job:
    values: Values
    files: RunFiles
    label: RunLabel
    propagator: Propagator
    initial: tuple[Tensor, Tensor]
    plan: RecordingPlan
    tracker: Tracker

    @property
    def name(self) -> str:
        """Of the injection, for reports."""
        return str(self.values["injection_name"])


def _begin(files: RunFiles, *, resumes: bool) -> None:
    """Start the run's folder; of an earlier run in the same folder nothing may pass for this one's."""
    files.begin()
    if not resumes:
        for left_behind in LEFT_BEHIND:
            for path in files.folder.glob(left_behind):
                path.unlink()


def _run(job: _Job, *, began: float) -> dict[str, float]:
    """Propagate, store, judge and report; each stage is taken up where a killed run left it."""
    system, values, files = job.propagator.system, job.values, job.files
    target = files.folder / "trajectory.h5"
    metadata = trajectory_metadata(system, seed=values["seed"]) | {
        "checkpoint": str(Path(values["checkpoint"]).resolve()),
        "injection": values["injection"],
        "start_step": values["start_step"],
        "provenance": files.provenance,
    }
    recorded = record(job.propagator, job.initial, target, job.plan, name=job.name, metadata=metadata)
    metrics: dict[str, float] = {"cost/simulate_s": time.perf_counter() - began}
    diverged_at = {int(replica): step for replica, step in recorded["diverged_at"].items()}
    curves = None
    if values["judge"]:
        evaluation = _judge(target, job)
        curves, scores = evaluation.curves, evaluation.scores[job.name] | recorded["counts"]
        metrics |= {f"rollout/{job.name}/{quantity}": value for quantity, value in scores.items()}
        leave_curves(files.folder, curves, {job.name: diverged_at}, label=job.label, system=system)
    if values["xyz"]:
        _write_xyz(target, files.folder, system, keep=job.plan.resumes)
    metrics |= {"cost/total_s": time.perf_counter() - began, "cost/peak_memory_MB": peak_memory_MB()}
    files.write_metrics(metrics)
    job.tracker.finish(files, metrics, curves)
    say_diverged(job.name, diverged_at, n_replicas=values["n_replicas"])
    return metrics


def _resumed_values(resume: str, overrides: list[str]) -> dict[str, Any]:
    extra = [override for override in overrides if not override.startswith("resume=")]
    if extra:
        raise ConfigError(f"resume= takes its configuration from {resume}; remove {' '.join(extra)}")
    values = read_config(Path(resume))
    if "injection_name" not in values:
        raise DataError(f"{resume} is not the folder of a simulation; train.py resumes a training run")
    if (Path(resume) / "metrics.json").is_file():
        raise DataError(f"{resume} is complete, there is nothing to resume; give checkpoint= for another simulation")
    return values | {"resume": resume}


def _check_numbers(values: Values) -> None:
    for name in POSITIVE:
        if values[name] is None or values[name] < 1:
            raise ConfigError(f"{name} = {values[name]} must be at least 1")
    if values["chunk_steps"] is not None and values["chunk_steps"] < 1:
        raise ConfigError(f"chunk_steps = {values['chunk_steps']} must be at least 1, or null")
    if values["n_steps"] <= values["start_step"]:
        raise ConfigError(
            f"n_steps = {values['n_steps']} ends before ML starts: it must exceed start_step = {values['start_step']}"
        )
    n_judged = (values["n_steps"] - 1) // values["every"] - (values["start_step"] - 1) // values["every"]
    if values["judge"] and n_judged < 2:
        raise ConfigError(
            f"every = {values['every']} leaves {n_judged} frame(s) after start_step = {values['start_step']} to judge; "
            "lower it, or judge=false"
        )


def _check_frames(values: Values, system: System) -> None:
    """Refuse to judge from frames that alias the vibration: its line, phase and mean energy would be wrong unsaid."""
    per_period = system.period_fs / (system.dt_fs * values["every"])
    if values["judge"] and per_period < MIN_FRAMES_PER_PERIOD:
        raise ConfigError(
            f"every = {values['every']} leaves {per_period:.1f} frames a period of {system.name}, and judging needs "
            f"{MIN_FRAMES_PER_PERIOD}; lower it, or use judge=false"
        )


def _say_departures(chosen: Values, trained: Values) -> None:
    """Tell what the predictor was not trained with; other atoms or another time step were refused before."""
    for name in ("system", "hamiltonian", "regime"):
        if chosen[name] != trained[name]:
            was, now = short_name(trained[name]), short_name(chosen[name])
            say(f"note: trained with {name} {was}, now {now if now != was else 'with other values'}")


def _identity(values: Values, predictor: VelocityPredictor) -> str:
    """A digest of all that decides the frames, weights included: a checkpoint of the same name may be another one."""
    deciding = {key: value for key, value in values.items() if key not in NOT_DECIDING}
    digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode())
    for name, weights in sorted(predictor.state_dict().items()):
        digest.update(name.encode() + weights.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _judge(target: Path, job: _Job) -> RolloutEvaluation:
    """Scores and curves against reference dynamics from the same states; its force calls judge and are nobody's."""
    system, values = job.propagator.system, job.values
    reference = job.files.folder / REFERENCE_FILE
    record(
        reference_propagator(system, device=job.propagator.device),
        job.initial,
        reference,
        replace(job.plan, identity=f"{job.plan.identity} reference"),
        name="reference",
        metadata=trajectory_metadata(system, seed=values["seed"]) | {"provenance": job.files.provenance},
    )
    first = -(-values["start_step"] // values["every"])
    with TrajectoryFile(target) as learned, TrajectoryFile(reference) as true:
        every = values.get("energy_every", 1)  # simulations of older versions, when resumed, have none
        evaluation = evaluate_system({job.name: learned}, true, system, first=first, energy_every=every)
    if job.values["figures"]:
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
