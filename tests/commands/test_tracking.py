"""An offline W&B run, read back from its own file."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from wandb.proto.wandb_internal_pb2 import Record

from commands.running import TO_LEARN, train


def records(path: Path) -> Iterator[Record]:
    """Records of a .wandb file: a header of 7 bytes, then LevelDB's log format in blocks of 32 KiB."""
    data = path.read_bytes()
    assert data.startswith(b":W&B")
    position, whole = 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, position)
        whole += data[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # the whole, or the last part of it
            yield Record.FromString(whole)
            whole = b""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outputs") / "HCl" / "DuR0" / "now"
    train(folder, *TO_LEARN, "logger=wandb", "data.batches.batches_per_epoch=2", "rollout.n_steps=100")
    return folder


@pytest.fixture(scope="module")
def logged(tracked):
    (path,) = tracked.glob("wandb/offline-run-*/*.wandb")
    return list(records(path))


ITEMS = {
    "run": lambda record: record.run.config.update,
    "summary": lambda record: record.summary.update,
    "history": lambda record: record.history.item,
}


def entries(logged, kind: str) -> dict[str, list[object]]:
    """Values by name, in the order in which they were logged."""
    found: dict[str, list[object]] = {}
    for record in logged:
        if record.WhichOneof("record_type") == kind:
            for item in ITEMS[kind](record):
                found.setdefault(item.key or ".".join(item.nested_key), []).append(json.loads(item.value_json))
    return found


def test_the_run_is_offline_and_closed(tracked, logged):
    assert not list(tracked.glob("wandb/run-*"))
    assert [record.exit.exit_code for record in logged if record.WhichOneof("record_type") == "exit"] == [0]


def test_the_configuration_is_resolved_and_says_where_it_comes_from(logged):
    config = {name: values[-1] for name, values in entries(logged, "run").items()}
    assert config["system"]["name"] == "HCl"
    assert config["model"]["components"] == "molecular"
    assert config["data"]["batches"]["batches_per_epoch"] == 2
    assert config["provenance"]["seed"] == 1
    (run,) = [record.run for record in logged if record.WhichOneof("record_type") == "run"]
    assert run.display_name == run.run_id == "HCl-DuR0-now"
    assert set(run.tags) == {"HCl", "DuR0", "thermal"}


def test_the_summary_holds_the_metrics(tracked, logged):
    summary = entries(logged, "summary")
    for name, value in json.loads((tracked / "metrics.json").read_text()).items():
        if value is not None:
            assert summary[name][-1] == pytest.approx(value, rel=1e-12), name


def test_curves_figures_table_and_checkpoint_are_there(tracked, logged):
    history = entries(logged, "history")
    assert len(history["train/loss"]) == len(history["val/loss"]) == 2
    for path in (tracked / "figures").glob("*.png"):
        assert any(name.startswith(f"figures/{path.stem}") for name in history)
    assert any(name.startswith("rollout/table") for name in history)
    (model,) = [
        record.artifact
        for record in logged
        if record.WhichOneof("record_type") == "artifact" and record.artifact.type == "model"
    ]
    assert [entry.path for entry in model.manifest.contents] == ["best.ckpt"]
    assert json.loads(model.metadata)["seed"] == 1


def test_a_run_that_fails_is_closed_too(tmp_path):
    import wandb

    from mlmd.errors import ConfigError

    with pytest.raises(ConfigError):
        train(tmp_path, *TO_LEARN, "logger=wandb", "data.batches.batches_per_epoch=1", "selection.monitor=val/los")
    assert wandb.run is None
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert [r.exit.exit_code for r in records(path) if r.WhichOneof("record_type") == "exit"] == [1]
