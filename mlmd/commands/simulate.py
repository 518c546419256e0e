"""``python simulate.py``: a trained predictor propagates new initial states; a killed run goes on where it stood."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mlmd.commands.objects import (
    Values,
    check_device,
    check_seed,
    find_checkpoint,
    load_predictor,
    make_regime,
    make_system,
    model_name,
    short_name,
)
from mlmd.commands.outputs import RunFiles, peak_memory_MB, read_config
from mlmd.commands.progress import StepBar, say, say_diverged
from mlmd.commands.report import draw_rollouts
from mlmd.config import build
from mlmd.data.generation import draw_initial, trajectory_metadata
from mlmd.data.recorder import FrameRecorder
from mlmd.data.store import read_trajectory
from mlmd.data.xyz import write_extended_xyz
from mlmd.errors import ConfigError, DataError
from mlmd.models import VelocityPredictor
from mlmd.propagation import Propagator, reference_propagator
from mlmd.reporting.console import print_summary
from mlmd.reporting.style import RunLabel
from mlmd.state import Trajectory, join_frames
from mlmd.systems import System
from mlmd.training.rollouts import judge_rollout

INTERRUPTED = 130
"""Exit code of a process ended from the keyboard, by the custom of shells."""

MIN_FRAMES_PER_PERIOD = 8
"""Fewer frames a period than this blur phases; two would be the limit of what a spectrum can tell at all."""

POSITIVE = ("n_steps", "n_replicas", "start_step", "every", "chunk_steps")


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
    if values["checkpoint"] is None:
        raise ConfigError("checkpoint is missing: give checkpoint=<file, or folder of a training run>")
    _check_numbers(values)
    check_seed(values["seed"])
    torch.set_num_threads(values["threads"])
    device = check_device(values["device"])
    predictor, trained = load_predictor(find_checkpoint(values["checkpoint"]))
    chosen = {name: values.get(name) or trained[name] for name in ("system", "hamiltonian", "regime")}
    if any(override.startswith("injection.") for override in overrides):
        injection_name += "_modified"
    values = dict(values) | chosen | {"injection_name": injection_name}
    system, regime = make_system(values), make_regime(values)
    _check_frames(values, system)
    propagator = Propagator(
        system,
        injection=build(values["injection"], "injection"),
        predictor=predictor.to(device),
        start_step=values["start_step"],
        device=device,
    )
    files = RunFiles(Path(folder), values, overrides=overrides)
    label = RunLabel(
        system=system.name,
        variant=model_name(predictor),
        regime=short_name(values["regime"]),
        hamiltonian=short_name(values["hamiltonian"]),
        n_replicas=values["n_replicas"],
        n_steps=values["n_steps"] - values["start_step"],
        dt_fs=system.dt_fs,
        seed=values["seed"],
    )
    say(f"mlmd: {label.title}, {injection_name}, {values['n_replicas']} replicas, {values['n_steps']} steps")
    _say_departures(chosen, trained)
    files.begin()
    initial = draw_initial(system, regime, values["n_replicas"], seed=values["seed"], purpose="simulation")
    propagator.start(*initial)
    metadata = trajectory_metadata(system, seed=values["seed"]) | {
        "checkpoint": str(Path(values["checkpoint"]).resolve()),
        "injection": values["injection"],
        "start_step": values["start_step"],
    }
    target = files.folder / "trajectory.h5"
    recorder = FrameRecorder(target, identity=_identity(values, predictor))
    _propagate(propagator, values, recorder, metadata | {"provenance": files.provenance})
    simulate_s = time.perf_counter() - began
    trajectory, _ = read_trajectory(target)
    metrics: dict[str, float] = {"cost/simulate_s": simulate_s}
    if values["judge"]:
        metrics |= _judge(trajectory, propagator, values, injection_name, files, label)
    if values["xyz"]:
        _write_xyz(trajectory, files.folder, system)
    metrics |= {"cost/total_s": time.perf_counter() - began, "cost/peak_memory_MB": peak_memory_MB()}
    files.write_metrics(metrics)
    say_diverged(injection_name, propagator.guard.diverged_at, n_replicas=values["n_replicas"])
    print_summary(metrics, files.folder, f"{label.title}, {injection_name}")
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


def _propagate(propagator: Propagator, values: Values, recorder: FrameRecorder, metadata: Mapping[str, Any]) -> None:
    """Advance chunk by chunk into the recorder; what a killed run committed is not simulated again."""
    committed = recorder.restart_state()
    if committed is not None:
        propagator.load_state_dict(committed["propagator"])
        metadata = committed["metadata"]
        say(f"resuming at step {propagator.state.step} of {values['n_steps']}")
    bar = StepBar()
    n_steps, chunk, every = values["n_steps"], values["chunk_steps"], values["every"]
    try:
        while propagator.state.step < n_steps:
            frames = propagator.advance(min(chunk, n_steps - propagator.state.step), every=every)
            if len(frames):
                recorder.append(frames.to("cpu"))
            recorder.commit({"propagator": propagator.state_dict(), "metadata": dict(metadata)})
            bar(values["injection_name"], propagator.state.step, n_steps)
    except KeyboardInterrupt:
        bar.close()
        say(f"interrupted; go on with: python simulate.py resume={recorder.path.parent}")
        raise SystemExit(INTERRUPTED) from None
    recorder.finish(metadata)


def _identity(values: Values, predictor: VelocityPredictor) -> str:
    """A digest of all that decides the frames, weights included: a checkpoint of the same name may be another one."""
    deciding = {key: value for key, value in values.items() if key not in ("resume", "judge", "xyz", "threads")}
    digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode())
    for name, weights in sorted(predictor.state_dict().items()):
        digest.update(name.encode() + weights.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _judge(
    trajectory: Trajectory, propagator: Propagator, values: Values, name: str, files: RunFiles, label: RunLabel
) -> dict[str, float]:
    """Scores against reference dynamics from the same states; its force calls judge and are nobody's."""
    system = propagator.system
    reference = reference_propagator(system, device=propagator.device)
    reference.start(
        *draw_initial(system, make_regime(values), values["n_replicas"], seed=values["seed"], purpose="simulation")
    )
    parts, bar = [], StepBar()
    while reference.state.step < values["n_steps"]:
        steps = min(values["chunk_steps"], values["n_steps"] - reference.state.step)
        parts.append(reference.advance(steps, every=values["every"]).to("cpu"))
        bar("reference", reference.state.step, values["n_steps"])
    first = -(-values["start_step"] // values["every"])
    learned = trajectory.frames(first, len(trajectory))
    true = join_frames(parts).frames(first, len(trajectory))
    result = judge_rollout(learned, true, propagator)
    draw_rollouts(files.figures, {name: learned}, true, label=label, system=system)
    return {f"rollout/{name}/{quantity}": value for quantity, value in result.metrics.items()}


def _write_xyz(trajectory: Trajectory, folder: Path, system: System) -> None:
    for replica in range(trajectory.n_replicas):
        write_extended_xyz(
            folder / f"trajectory_{replica:04d}.xyz",
            trajectory,
            symbols=system.symbols,
            masses_u=system.masses_u,
            dt_fs=system.dt_fs,
            replica=replica,
        )
