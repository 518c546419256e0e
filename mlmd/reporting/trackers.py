"""Experiment tracking with Weights & Biases, offline unless asked otherwise; nothing here needs a network."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from lightning.pytorch.loggers import Logger

from mlmd.evaluation.curves import RolloutCurves
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

Values = Mapping[str, Any]
JobType = Literal["train", "simulate"]

MAX_UPLOAD_BYTES = 500 * 10**6
"""A larger trajectory stays where it is: W&B gets its address, not its content."""


class Tracker:
    """No tracker: the csv log and the files of the folder stand alone."""

    loggers: list[Logger]

    def __init__(self) -> None:
        self.loggers = []

    def finish(self, files: RunFiles, metrics: Mapping[str, float], curves: RolloutCurves | None) -> None:
        """Take the results."""

    def __enter__(self) -> "Tracker":
        """Nothing to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close."""


class WandbTracker(Tracker):
    """One W&B run in the folder of the run; it is closed on leaving, so every job of a multirun has its own.

    Args:
        folder: the run's folder; the offline run lies in ``folder/wandb``.
        config: the resolved configuration.
        project: project of W&B.
        mode: "offline" or "online".
        group: group of runs in the project.
        job_type: which command runs.
        words: what the run is found by.
        predictor: the one that is trained or used.
        provenance: kept in the run's configuration and with its artifacts.
    """

    def __init__(
        self,
        folder: Path,
        config: Values,
        *,
        project: str | None,
        mode: Literal["offline", "online"] | None,
        group: str | None,
        job_type: JobType,
        words: RunWords,
        predictor: VelocityPredictor,
        provenance: Mapping[str, Any],
    ) -> None:
        super().__init__()
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb
        from lightning.pytorch.loggers import WandbLogger

        self._config, self._job_type, self._words, self._predictor = config, job_type, words, predictor
        # A simulation may have the folder name of the training run whose predictor it uses; no two runs share an id.
        words_of_name = (*(() if job_type == "train" else (job_type,)), *folder.resolve().parts[-3:])
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(words_of_name)).strip("-")
        self._stack = ExitStack()
        self._stack.enter_context(_staging_in(folder / "wandb"))
        try:
            self._run = wandb.init(
                project=project,
                name=name,
                id=name,
                dir=folder,
                mode=mode,
                group=group,
                job_type=job_type,
                tags=words.tags,
                config=dict(config) | {"provenance": dict(provenance), "labels": asdict(words)},
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
        if self._job_type == "train":
            row = accuracy_row(self._words, metrics)
            logged["test/accuracy_table"] = wandb.Table(columns=list(row), data=[list(row.values())])
        if curves is not None:
            self._log_energies(curves)
            logged["dynamics/vacf"] = _chart("Velocity autocorrelation function", vacf_lines(curves))
            what = "normal modes" if curves.lines else "bond velocity"
            logged["dynamics/spectrum"] = _chart(f"Spectrum of the {what}", spectrum_lines(curves))
        run.log(logged)
        self._log_artifact(files, metrics)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the run, also after an error; otherwise the next job of a multirun would write into it."""
        import wandb

        with self._stack:
            wandb.finish(exit_code=0 if error is None else 1)

    def _log_energies(self, curves: RolloutCurves) -> None:
        rows = energy_rows(curves)
        self._run.define_metric(TIME_KEY, hidden=True, summary="none")
        for key in sorted({key for row in rows for key in row} - {TIME_KEY}):
            # By name, for Lightning has told W&B that everything runs over its own step.
            self._run.define_metric(key, step_metric=TIME_KEY, step_sync=False, summary="none")
        for row in rows:
            self._run.log(row)

    def _log_artifact(self, files: RunFiles, metrics: Mapping[str, float]) -> None:
        import wandb

        is_training = self._job_type == "train"
        path = files.folder / ("best.ckpt" if is_training else TRAJECTORY_FILE)
        metadata = self._of_checkpoint(metrics) if is_training else self._of_trajectory()
        artifact = wandb.Artifact(
            f"{self._run.name}-{'predictor' if is_training else 'trajectory'}",
            type="model" if is_training else "trajectory",
            metadata={**files.provenance, **metadata, "digest": self._config.get("digest")},
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
        return {"spec": self._predictor.spec.to_dict(), accuracy: metrics.get(accuracy), **asdict(self._words)}

    def _of_trajectory(self) -> dict[str, Any]:
        chosen = ("n_steps", "n_replicas", "start_step", "every", "injection_name", "checkpoint")
        return {
            "units": UNITS,
            "dt_fs": self._predictor.spec.dt_fs,
            **{name: self._config[name] for name in chosen},
            **asdict(self._words),
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


@contextmanager
def _staging_in(folder: Path) -> Iterator[None]:
    """What W&B stages for a later upload, tables for one, lies with the run and not in the home directory."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder.resolve())
    try:
        yield
    finally:
        os.environ.pop("WANDB_DATA_DIR", None)
