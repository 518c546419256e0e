"""Brings what older versions of mlmd wrote to the present format: one function per step, applied in order.

Each kind of file has a version of its own, a whole number that grows by one with every change of the format. A reader
calls the migration of its kind once, right after reading, so that all code behind it meets the present format alone.

To change a format, append one function to the steps of its kind below; it receives the content as the version before
wrote it and returns a new one. The version follows from the number of steps.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlmd.errors import DataError

VERSION_KEY = "format_version"
"""Under this name a version is stored; content without it is of version 1."""

Content = dict[str, Any]
Step = Callable[[Content], Content]

MOVED_CLASSES = {
    "mlmd.learning.OnTheFlyPlan": "mlmd.on_the_fly.OnTheFlyPlan",
    "mlmd.data.file_plan.FilePlan": "mlmd.data.external.file_plan.FilePlan",
}
"""Present place of the classes that a configuration of version 1 names by ``_target_``."""

_EAGER_ENGINE = {"_target_": "mlmd.propagation.EagerEngine"}
_SQUARED_LOSS = {"_target_": "mlmd.training.SequenceLoss", "floor": None}
_NO_RETRAINING = {
    "_target_": "mlmd.training.RetrainingPlan",
    "rounds": 0,
    "n_replicas": 1,
    "n_steps": 1,
    "max_epochs": 1,
    "learning_rate_factor": 1.0,
    "share": 1.0,
    "correction": 0.0,
    "frequency": 0.0,
}
_ONE_PAIR = {"history": 1, "ridge": 0.0, "network": True}
"""Model inputs before longer histories and models without an LSTM were introduced."""


def require_known_version(version: int, newest: int, source: str | Path) -> None:
    """Refuse content of a version that this mlmd cannot read.

    Args:
        version: of the content.
        newest: newest version that this mlmd reads.
        source: file or object that holds the content, for the error.

    Raises:
        DataError: the content was written by a newer mlmd.
    """
    if version > newest:
        raise DataError(
            f"cannot read {source}: its format version {version} is newer than the {newest} that this mlmd reads; "
            "update mlmd"
        )


def migrate_config(values: Mapping[str, Any], *, source: str | Path = "the configuration") -> Content:
    """Bring a resolved configuration to the present format.

    A digest of a configuration that is compared with a stored one, such as the identity of a recording, has to be
    computed from the values as they were stored, before migration.

    Args:
        values: content of ``config.yaml``, or of the entry "config" of a checkpoint; left as it is.
        source: where it was read, for errors.

    Returns:
        The configuration in the present format, with its version.

    Raises:
        DataError: a newer mlmd wrote it.
    """
    return _migrate(dict(values), _CONFIG_STEPS, source)


def migrate_checkpoint(checkpoint: Mapping[str, Any], *, source: str | Path = "the checkpoint") -> Content:
    """Bring a checkpoint to the present format; its version stands in the entry "mlmd".

    Args:
        checkpoint: content of the file, with an entry "mlmd"; left as it is.
        source: where it was read, for errors.

    Returns:
        The checkpoint in the present format, the configuration inside it included.

    Raises:
        DataError: a newer mlmd wrote it, or its configuration.
    """
    entry = _migrate(dict(checkpoint["mlmd"]), _CHECKPOINT_STEPS, source)
    if isinstance(entry.get("config"), Mapping):
        entry["config"] = migrate_config(entry["config"], source=source)
    return {**checkpoint, "mlmd": entry}


def migrate_restart(
    state: Mapping[str, Any], *, start_step: int = 0, source: str | Path = "the restart file"
) -> Content:
    """Bring the stored state of a propagator to the present format.

    Args:
        state: what `Propagator.state_dict` returned; left as it is.
        start_step: first step at which ML may kick, for a state that does not store it.
        source: where it was read, for errors.

    Returns:
        The state in the present format, with its version.

    Raises:
        DataError: a newer mlmd wrote it.
    """
    return {"start_step": start_step} | _migrate(dict(state), _RESTART_STEPS, source)


def migrate_on_the_fly(state: Mapping[str, Any], *, source: str | Path = "the restart file") -> Content:
    """Bring the stored state of an on-the-fly run to the present format; the propagator's is migrated by itself.

    Raises:
        DataError: a newer mlmd wrote it.
    """
    return _migrate(dict(state), _ON_THE_FLY_STEPS, source)


def migrate_ase(state: Mapping[str, Any], *, source: str | Path = "the state of MLMD in ASE") -> Content:
    """Bring the stored state of `mlmd.ase.MLMD` to the present format; the propagator's is migrated by itself.

    Raises:
        DataError: a newer mlmd wrote it.
    """
    return _migrate(dict(state), _ASE_STEPS, source)


def _migrate(content: Content, steps: tuple[Step, ...], source: str | Path) -> Content:
    newest = len(steps) + 1
    version = content.get(VERSION_KEY, 1)
    if not isinstance(version, int) or version < 1:
        raise DataError(f"cannot read {source}: its format version {version!r} is not a whole number above 0")
    require_known_version(version, newest, source)
    for step in steps[version - 1 :]:
        try:
            content = step(content)
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            raise DataError(f"cannot read {source}: it does not hold what version {version} holds ({error})") from error
    return {**content, VERSION_KEY: newest}


def _config_from_1(values: Content) -> Content:
    """Rename classes that moved, and add the keys that the first configurations did not have."""
    values = _retarget(values)
    added: Content = {"engine": _EAGER_ENGINE, "figures": True, "logger": {"wandb": False}}
    if "rollout" in values:
        added |= {"loss": _SQUARED_LOSS, "retraining": _NO_RETRAINING}
        values["rollout"] = {"energy_every": 1} | values["rollout"]
    else:
        added |= {"mode": "trained", "energy_every": 1}
    if "retraining" in values:
        values["retraining"] = {"frequency": 0.0} | values["retraining"]
    if "model" in values:
        values["model"] = _ONE_PAIR | values["model"]
    return added | values


def _config_from_2(values: Content) -> Content:
    """Trackers by name, each with its class; callbacks."""
    logger = dict(values["logger"])
    if logger.pop("wandb", False) is True:
        defaults = {"project": "mlmd", "mode": "offline", "group": None}
        options = {name: logger.get(name, default) for name, default in defaults.items()}
        logger["wandb"] = {"_target_": "mlmd.reporting.trackers.WandbTracker", **options}
    added: Content = {"callbacks": {}} if "trainer" in values else {}
    return {**added, **values, "logger": logger}


def _retarget(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {
            key: MOVED_CLASSES.get(str(value), value) if key == "_target_" else _retarget(value)
            for key, value in node.items()
        }
    return [_retarget(value) for value in node] if isinstance(node, list) else node


def _checkpoint_from_1(entry: Content) -> Content:
    """Add the fields that the specification of the first predictors did not have."""
    if "spec" not in entry:
        return entry
    return {**entry, "spec": _ONE_PAIR | {"reference_A": None, "modes": None} | entry["spec"]}


def _restart_from_1(state: Content) -> Content:
    """Add what the first restart files did not have: takeover within a run, and longer histories."""
    learned = state["learned"]
    return {
        "was_handed_over": False,
        **state,
        "learned": None if learned is None else {"past": [], **learned},
    }


def _restart_from_2(state: Content) -> Content:
    """The energy of a first kick that is not taken yet; without it the kick is computed again."""
    return {"first_energy": None, **state}


_CONFIG_STEPS: tuple[Step, ...] = (_config_from_1, _config_from_2)
_CHECKPOINT_STEPS: tuple[Step, ...] = (_checkpoint_from_1,)
_RESTART_STEPS: tuple[Step, ...] = (_restart_from_1, _restart_from_2)
_ON_THE_FLY_STEPS: tuple[Step, ...] = ()
_ASE_STEPS: tuple[Step, ...] = ()

CONFIG_VERSION = len(_CONFIG_STEPS) + 1
CHECKPOINT_VERSION = len(_CHECKPOINT_STEPS) + 1
RESTART_VERSION = len(_RESTART_STEPS) + 1
ON_THE_FLY_VERSION = len(_ON_THE_FLY_STEPS) + 1
ASE_VERSION = len(_ASE_STEPS) + 1
