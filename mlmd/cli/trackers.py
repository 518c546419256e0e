"""The experiment trackers of a run, from its settings."""

import inspect
from contextlib import ExitStack
from typing import Any

from hydra.utils import get_object
from lightning.pytorch.loggers import Logger

from mlmd.cli.instantiate import build
from mlmd.cli.settings import Component
from mlmd.cli.settings.groups import LoggerSettings
from mlmd.errors import ConfigError
from mlmd.reporting.trackers import LoggerTracker, TrackedRun, Tracker, Trackers


def make_trackers(settings: LoggerSettings, run: TrackedRun, *, is_main: bool) -> Tracker:
    """The trackers of a run; none in the other processes of a distributed run.

    Raises:
        ConfigError: a package is missing, or what is made is neither a tracker nor a logger of Lightning.
    """
    if not is_main:
        return Tracker()
    with ExitStack() as if_one_fails:
        made = [if_one_fails.enter_context(_make_tracker(component, run)) for component in settings.trackers.values()]
        if_one_fails.pop_all()
    return Trackers(made)


def _make_tracker(component: Component, run: TrackedRun) -> Tracker:
    try:
        kind = get_object(component.target)
    except Exception:
        kind = None  # building it raises an error with the cause
    try:
        if isinstance(kind, type) and issubclass(kind, Tracker):
            tracker: Tracker = build(component, Tracker, run=run)
            return tracker
        logger: Logger = build(component, Logger, **_of_the_run(kind, component, run))
    except ModuleNotFoundError as error:
        words = str(error).splitlines()[0]
        raise ConfigError(f"{component.path} needs a package that is not installed ({words})") from error
    return LoggerTracker(logger, run)


def _of_the_run(kind: Any, component: Component, run: TrackedRun) -> dict[str, Any]:
    """Folder and run name for a logger that has these arguments, unless the configuration sets them."""
    if not (isinstance(kind, type) and issubclass(kind, Logger)):
        return {}
    known = {"save_dir": str(run.folder), "run_name": "-".join(run.folder.resolve().parts[-3:])}
    asked = inspect.signature(kind).parameters
    return {name: value for name, value in known.items() if name in asked and name not in component.node}
