"""Experiment trackers: Weights & Biases, any logger of Lightning, or several; nothing here needs a network."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self

from lightning.pytorch.loggers import Logger

from mlmd.evaluation.curves import RolloutCurves
from mlmd.files import writing
from mlmd.io.run_folder import TRAJECTORY_FILE, RunFiles
from mlmd.io.trajectory_layout import UNITS
from mlmd.models import VelocityPredictor
from mlmd.progress import say
from mlmd.reporting.console import schedules
from mlmd.reporting.tracker_tables import (
    TIME_KEY,
    Lines,
    RunWords,
    accuracy_row,
    energy_rows,
    spectrum_lines,
    vacf_lines,
)
from mlmd.reporting.wandb_environment import staging_in, wandb_mode

Values = Mapping[str, Any]
JobType = Literal["train", "simulate"]

MAX_UPLOAD_BYTES = 500 * 10**6
"""A larger trajectory stays where it is: W&B gets its address, not its content."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker receives of a run when it begins.

    Attributes:
        folder: of the run.
        config: the resolved configuration.
        job_type: which command runs.
        words: what the run is found by.
        predictor: the one that is trained or used.
        provenance: versions, machine, command and seed.
    """

    folder: Path
    config: Values
    job_type: JobType
    words: RunWords
    predictor: VelocityPredictor
    provenance: Mapping[str, Any]


class Tracker:
    """A tracker that does nothing; the csv log and the files of the folder are written without it.

    A tracker is used as a context manager, and closed also after an error: otherwise the next job of a multirun would
    write into it.

    Attributes:
        loggers: what Lightning logs to.
    """

    loggers: Sequence[Logger] = ()

    def finish(self, files: RunFiles, metrics: Mapping[str, float], curves: RolloutCurves | None) -> None:
        """Take the results."""

    def close(self, *, failed: bool) -> None:
        """End the run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(failed=kind is not None)


class LoggerTracker(Tracker):
    """Any logger of Lightning: it takes the curves of the training, the configuration and the final metrics.

    Args:
        logger: made for this run.
        run: what is tracked.
    """

    def __init__(self, logger: Logger, run: TrackedRun) -> None:
        self.loggers = [logger]
        logger.log_hyperparams({**flattened(run.config), **asdict(run.words)})

    def finish(self, files: RunFiles, metrics: Mapping[str, float], curves: RolloutCurves | None) -> None:
        """Log the final metrics; those that are not finite are left out."""
        for logger in self.loggers:
            logger.log_metrics({name: value for name, value in metrics.items() if isfinite(value)})
            logger.save()

    def close(self, *, failed: bool) -> None:
        """End the run."""
        for logger in self.loggers:
            logger.finalize("failed" if failed else "success")


class Trackers(Tracker):
    """Several trackers as one; none where there are none.

    Args:
        trackers: each receives everything.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = trackers
        self.loggers = [logger for tracker in trackers for logger in tracker.loggers]

    def finish(self, files: RunFiles, metrics: Mapping[str, float], curves: RolloutCurves | None) -> None:
        """Take the results."""
        for tracker in self._trackers:
            tracker.finish(files, metrics, curves)

    def close(self, *, failed: bool) -> None:
        """End the run in all of them, also where one fails."""
        with ExitStack() as stack:
            for tracker in self._trackers:
                stack.callback(tracker.close, failed=failed)


def flattened(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Nested values by dotted keys.

    >>> flattened({"model": {"hidden_size": 32}, "seed": 1})
    {'model.hidden_size': 32, 'seed': 1}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return flat


class WandbTracker(Tracker):
    """One W&B run in the folder of the run; it is closed on leaving, so every job of a multirun has its own.

    Args:
        run: what is tracked; the offline run lies in its ``folder/wandb``, or in that of the variable ``WANDB_DIR``.
        project: project of W&B.
        mode: "offline" or "online"; the variable ``WANDB_MODE`` goes before, "disabled" among its values.
        group: group of runs in the project.
    """

    def __init__(
        self, run: TrackedRun, *, project: str, mode: Literal["offline", "online"], group: str | None = None
    ) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb
        from lightning.pytorch.loggers import WandbLogger

        self._tracked, folder, job_type = run, run.folder, run.job_type
        # A simulation may have the folder name of the training run whose predictor it uses; no two runs share an id.
        words_of_name = (*(() if job_type == "train" else (job_type,)), *folder.resolve().parts[-3:])
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(words_of_name)).strip("-")
        place = Path(os.environ.get("WANDB_DIR") or folder)
        with writing(place / "wandb"):
            (place / "wandb").mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._stack.enter_context(staging_in(folder / "wandb"))
        try:
            self._run = wandb.init(
                project=project,
                name=name,
                id=name,
                dir=place,
                mode=wandb_mode(mode),
                group=group,
                job_type=job_type,
                tags=run.words.tags,
                config=dict(run.config) | {"provenance": dict(run.provenance), "labels": asdict(run.words)},
                resume="allow" if mode == "online" else None,
            )
        except BaseException:
            self._stack.close()
            raise
        self.loggers = [WandbLogger(experiment=self._run)]

    def finish(self, files: RunFiles, metrics: Mapping[str, float], curves: RolloutCurves | None) -> None:
        """Summary, curves, tables, figures, and the checkpoint or trajectory as an artifact."""
        import wandb

        run = self._run
        run.summary.update({name: value for name, value in metrics.items() if value == value})
        logged: dict[str, Any] = {
            f"figures/{path.stem}": wandb.Image(str(path)) for path in sorted(files.figures.glob("*.png"))
        }
        logged["rollout/table"] = _schedule_table(metrics)
        if self._tracked.job_type == "train":
            row = accuracy_row(self._tracked.words, metrics)
            logged["test/accuracy_table"] = wandb.Table(columns=list(row), data=[list(row.values())])
        if curves is not None:
            self._log_energies(curves)
            logged["dynamics/vacf"] = _chart("Velocity autocorrelation function", vacf_lines(curves))
            what = "normal modes" if curves.lines else "bond velocity"
            logged["dynamics/spectrum"] = _chart(f"Spectrum of the {what}", spectrum_lines(curves))
        run.log(logged)
        self._log_artifact(files, metrics)

    def close(self, *, failed: bool) -> None:
        """Close the W&B run."""
        import wandb

        with self._stack:
            wandb.finish(exit_code=1 if failed else 0)

    def _log_energies(self, curves: RolloutCurves) -> None:
        rows = energy_rows(curves)
        self._run.define_metric(TIME_KEY, hidden=True, summary="none")
        for key in sorted({key for row in rows for key in row} - {TIME_KEY}):
            # By name, because Lightning has set its own step as the axis of everything.
            self._run.define_metric(key, step_metric=TIME_KEY, step_sync=False, summary="none")
        for row in rows:
            self._run.log(row)

    def _log_artifact(self, files: RunFiles, metrics: Mapping[str, float]) -> None:
        import wandb

        is_training = self._tracked.job_type == "train"
        path = files.folder / ("best.ckpt" if is_training else TRAJECTORY_FILE)
        metadata = self._of_checkpoint(metrics) if is_training else self._of_trajectory()
        artifact = wandb.Artifact(
            f"{self._run.name}-{'predictor' if is_training else 'trajectory'}",
            type="model" if is_training else "trajectory",
            metadata={**files.provenance, **metadata, "digest": self._tracked.config.get("digest")},
        )
        if path.stat().st_size > MAX_UPLOAD_BYTES:
            artifact.add_reference(path.resolve().as_uri(), name=path.name, checksum=False)
            say(f"note: {path.name} is larger than {MAX_UPLOAD_BYTES // 10**6} MB; W&B gets its address alone")
        else:
            # Immutable: read from where it lies when it is uploaded; the default copies it first.
            artifact.add_file(str(path), policy="immutable", skip_cache=True)
        self._run.log_artifact(artifact)

    def _of_checkpoint(self, metrics: Mapping[str, float]) -> dict[str, Any]:
        accuracy = "test/velocity_accuracy_percent"
        return {
            "spec": self._tracked.predictor.spec.to_dict(),
            accuracy: metrics.get(accuracy),
            **asdict(self._tracked.words),
        }

    def _of_trajectory(self) -> dict[str, Any]:
        chosen = ("n_steps", "n_replicas", "start_step", "every", "injection_name", "checkpoint")
        return {
            "units": UNITS,
            "dt_fs": self._tracked.predictor.spec.dt_fs,
            **{name: self._tracked.config[name] for name in chosen},
            **asdict(self._tracked.words),
        }


def _schedule_table(metrics: Mapping[str, float]) -> Any:
    import wandb

    names = schedules(metrics)
    quantities = sorted({key.split("/", 2)[2] for key in metrics if key.startswith("rollout/")})
    rows = [[name, *(metrics.get(f"rollout/{name}/{quantity}") for quantity in quantities)] for name in names]
    return wandb.Table(columns=["schedule", *quantities], data=rows)


def _chart(title: str, lines: Lines) -> Any:
    import wandb

    xs, ys = zip(*lines.points.values(), strict=True)
    return wandb.plot.line_series(xs, ys, keys=list(lines.points), title=title, xname=lines.x_name)
