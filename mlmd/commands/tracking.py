"""Experiment tracking with Weights & Biases, offline unless asked otherwise; nothing here needs a network."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import Logger

from mlmd.errors import ConfigError
from mlmd.reporting.console import schedules

if TYPE_CHECKING:
    from mlmd.commands.outputs import RunFiles


class Tracker:
    """No tracker: the csv log and the files of the folder stand alone."""

    loggers: list[Logger]

    def __init__(self) -> None:
        self.loggers = []

    def finish(self, files: "RunFiles", metrics: Mapping[str, float]) -> None:
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
        values: the resolved configuration.
        tags: words to find the run by.
        provenance: kept in the run's configuration.

    Raises:
        ConfigError: an unknown mode.
    """

    def __init__(
        self, folder: Path, values: Mapping[str, Any], *, tags: list[str], provenance: Mapping[str, Any]
    ) -> None:
        super().__init__()
        options = values["logger"]
        if options["mode"] not in ("offline", "online"):
            raise ConfigError(f"logger.mode = {options['mode']!r} is unknown; known: 'offline', 'online'")
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb
        from lightning.pytorch.loggers import WandbLogger

        name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(folder.resolve().parts[-3:])).strip("-")
        self._run = wandb.init(
            project=options["project"],
            name=name,
            id=name,
            dir=folder,
            mode=options["mode"],
            group=options["group"],
            tags=tags,
            config=dict(values) | {"provenance": dict(provenance)},
            resume="allow" if options["mode"] == "online" else None,
        )
        self.loggers = [WandbLogger(experiment=self._run)]

    def finish(self, files: "RunFiles", metrics: Mapping[str, float]) -> None:
        """Figures, summary, the table of schedules, and the best checkpoint as an artifact."""
        import wandb

        run = self._run
        run.summary.update({name: value for name, value in metrics.items() if value == value})
        run.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in sorted(files.figures.glob("*.png"))})
        names = schedules(metrics)
        quantities = sorted({key.split("/", 2)[2] for key in metrics if key.startswith("rollout/")})
        rows = [[name, *(metrics.get(f"rollout/{name}/{quantity}") for quantity in quantities)] for name in names]
        run.log({"rollout/table": wandb.Table(columns=["schedule", *quantities], data=rows)})
        artifact = wandb.Artifact(f"{run.name}-predictor", type="model", metadata=dict(files.provenance))
        artifact.add_file(str(files.folder / "best.ckpt"))
        run.log_artifact(artifact)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the run, also after an error; otherwise the next job of a multirun would write into it."""
        import wandb

        wandb.finish(exit_code=0 if error is None else 1)
