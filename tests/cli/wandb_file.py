"""The file of an offline W&B run, read without W&B's reader, and the run that the tests read."""

import functools
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

from cli.running import TO_LEARN, simulate, train

FAST_RUN = ("logger=wandb", "data.batches.batches_per_epoch=2", "rollout.n_steps=700")


@functools.cache
def tracked_run(temporary: Path) -> Path:
    """The folder of a tracked training run, made once a session whoever asks."""
    folder = temporary / "outputs" / "HCl" / "DuR0" / "now"
    train(folder, *TO_LEARN, *FAST_RUN, "logger.group=of_tests")
    return folder


@functools.cache
def tracked_simulation(temporary: Path) -> Path:
    """The folder of a tracked simulation with the predictor of `tracked_run`."""
    folder = temporary / "simulations" / "HCl" / "DuR0" / "now"
    simulate(folder, tracked_run(temporary), "logger=wandb", "n_steps=132", "n_replicas=3")
    return folder


def logged_by(folder: Path) -> list[Record]:
    """All records of the run in a folder."""
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    return list(records(path))


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


ITEMS = {
    "run": lambda record: record.run.config.update,
    "summary": lambda record: record.summary.update,
    "history": lambda record: record.history.item,
}


def entries(logged: list[Record], kind: str) -> dict[str, list[Any]]:
    """Values by name, in the order in which they were logged."""
    found: dict[str, list[Any]] = {}
    for record in of_kind(logged, kind):
        for item in ITEMS[kind](record):
            found.setdefault(item.key or ".".join(item.nested_key), []).append(json.loads(item.value_json))
    return found


def of_kind(logged: list[Record], kind: str) -> list[Record]:
    """The records of one kind."""
    return [record for record in logged if record.WhichOneof("record_type") == kind]


def rows(logged: list[Record]) -> list[dict[str, Any]]:
    """The history, a mapping for every call of ``log``."""
    lines = [entries([record], "history") for record in of_kind(logged, "history")]
    return [{name: values[0] for name, values in line.items()} for line in lines]
