import copy
from typing import Any

import pytest
import torch
import yaml

from mlmd.errors import DataError
from mlmd.io.migrations import (
    ASE_VERSION,
    CHECKPOINT_VERSION,
    CONFIG_VERSION,
    MOVED_CLASSES,
    ON_THE_FLY_VERSION,
    RESTART_VERSION,
    migrate_ase,
    migrate_checkpoint,
    migrate_config,
    migrate_on_the_fly,
    migrate_restart,
)

FIRST_TRAINING: dict[str, Any] = yaml.safe_load(
    """
    system: {_target_: mlmd.systems.diatomic, name: HCl, dt_fs: 0.5}
    model: {_target_: mlmd.models.PredictorSpec, _partial_: true, components: cartesian, shortcut: true}
    rollout: {start_step: 32, injections: {never: {schedule: {_target_: mlmd.propagation.Periodic, frequency: 0.0}}}}
    logger: {wandb: true, mode: offline}
    seed: 1
    resume: null
    """
)
"""Parts of a configuration of the first version that had one."""


def _state(**changes: Any) -> dict[str, Any]:
    return {"step": 7, "positions": torch.zeros(1, 2, 3), "learned": {"n_seen": 7}} | changes


def test_the_first_training_configurations_get_the_keys_they_did_not_have() -> None:
    new = migrate_config(FIRST_TRAINING)
    assert new["format_version"] == CONFIG_VERSION
    assert new["retraining"]["rounds"] == 0
    assert new["rollout"] == FIRST_TRAINING["rollout"] | {"energy_every": 1}
    assert new["loss"] == {"_target_": "mlmd.training.SequenceLoss", "floor": None}
    assert new["engine"] == {"_target_": "mlmd.propagation.EagerEngine"}
    assert {name: new["model"][name] for name in ("history", "ridge", "network")} == {
        "history": 1,
        "ridge": 0.0,
        "network": True,
    }
    assert new["figures"] is True
    assert "mode" not in new
    tracker = {"_target_": "mlmd.reporting.trackers.WandbTracker", "project": "mlmd", "mode": "offline", "group": None}
    assert new["logger"] == {"mode": "offline", "wandb": tracker}
    assert {name: new[name] for name in ("seed", "system")} == {
        name: FIRST_TRAINING[name] for name in ("seed", "system")
    }


def test_the_first_simulation_configurations_get_the_keys_they_did_not_have() -> None:
    new = migrate_config({"checkpoint": "a.ckpt", "n_steps": 100})
    assert (new["mode"], new["energy_every"], new["logger"]) == ("trained", 1, {})
    assert not {"retraining", "loss", "rollout", "model"} & set(new)


def test_retraining_without_injections_had_none() -> None:
    assert migrate_config({"retraining": {"rounds": 2}})["retraining"] == {"rounds": 2, "frequency": 0.0}


def test_migration_leaves_its_argument_and_the_present_format_as_they_are() -> None:
    before = copy.deepcopy(FIRST_TRAINING)
    new = migrate_config(FIRST_TRAINING)
    assert before == FIRST_TRAINING
    assert migrate_config(new) == new


@pytest.mark.parametrize(("old", "new"), MOVED_CLASSES.items())
def test_moved_classes_are_found_wherever_they_stand_and_exist(old: str, new: str) -> None:
    module, _, name = new.rpartition(".")
    assert hasattr(__import__(module, fromlist=[name]), name)
    values = {"a": {"b": [{"_target_": old, "n": 1}]}, "c": {"_target_": old}, "name": old}
    migrated = migrate_config(values)
    assert migrated["a"] == {"b": [{"_target_": new, "n": 1}]}
    assert migrated["c"] == {"_target_": new}
    assert migrated["name"] == old


def test_a_checkpoint_is_migrated_with_its_configuration() -> None:
    weights = torch.ones(3)
    old = {"state_dict": {"w": weights}, "mlmd": {"format_version": 1, "spec": {"target": "u"}, "config": {"seed": 1}}}
    new = migrate_checkpoint(old)
    assert new["state_dict"]["w"] is weights
    assert new["mlmd"]["format_version"] == CHECKPOINT_VERSION
    assert new["mlmd"]["spec"]["history"] == 1
    assert new["mlmd"]["config"]["format_version"] == CONFIG_VERSION
    assert migrate_checkpoint(new) == new
    assert old["mlmd"]["spec"] == {"target": "u"}


def test_the_first_restart_files_had_one_pair_of_inputs_and_no_takeover() -> None:
    new = migrate_restart(_state(), start_step=32)
    assert (new["start_step"], new["was_handed_over"], new["learned"]["past"]) == (32, False, [])
    assert new["format_version"] == RESTART_VERSION
    assert migrate_restart(_state(learned=None))["learned"] is None


def test_what_a_restart_file_stores_is_kept() -> None:
    past = [torch.ones(2)]
    stored = _state(start_step=5, was_handed_over=True, learned={"past": past})
    new = migrate_restart(stored, start_step=32)
    assert (new["start_step"], new["was_handed_over"], new["learned"]["past"]) == (5, True, past)


@pytest.mark.parametrize(
    ("migrate", "version"),
    [
        (migrate_config, CONFIG_VERSION),
        (migrate_restart, RESTART_VERSION),
        (migrate_on_the_fly, ON_THE_FLY_VERSION),
        (migrate_ase, ASE_VERSION),
        (lambda content, source: migrate_checkpoint({"mlmd": content}, source=source), CHECKPOINT_VERSION),
    ],
)
def test_a_newer_version_is_one_clear_line(migrate: Any, version: int) -> None:
    migrate(_state(format_version=version), source="a.file")
    with pytest.raises(DataError) as error:
        migrate(_state(format_version=version + 1), source="a.file")
    assert str(error.value) == (
        f"cannot read a.file: its format version {version + 1} is newer than the {version} that this mlmd reads; "
        "update mlmd"
    )


@pytest.mark.parametrize("version", ["2", 0, None])
def test_a_version_that_is_none_is_refused(version: Any) -> None:
    with pytest.raises(DataError, match="is not a whole number above 0"):
        migrate_config({"format_version": version})


@pytest.mark.parametrize("broken", [{"logger": True}, {"retraining": 3}, {"model": {"_target_": {}}, "rollout": 3}])
def test_what_is_no_content_of_its_version_is_one_clear_line(broken: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"^cannot read mine: it does not hold what version \d holds \("):
        migrate_config({"trainer": {}, "logger": {}} | broken, source="mine")
