import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from mlmd.errors import DataError
from mlmd.files import (
    ErrorKeepingFile,
    as_json,
    atomic_path,
    remove_temporaries,
    require_readable_file,
    require_writable_folder,
    unwritable,
    write_json,
    write_text,
)


def _one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_atomic_path_replaces_the_old_file_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert temporary.parent == target.parent
        assert temporary.name.startswith(".")
        assert str(os.getpid()) in temporary.name
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("failure", [ValueError("x"), KeyboardInterrupt()])
def test_atomic_path_keeps_the_old_file_when_the_block_fails(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        fail_half_way()
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_atomic_path_syncs_the_bytes_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    seen: list[tuple[int, bool]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append((os.fstat(descriptor).st_ino, target.exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(target, "x")
    assert seen == [(target.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_two_blocks_for_one_file_use_different_temporaries(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a") as first, atomic_path(tmp_path / "a") as second:
        first.write_text("1")
        second.write_text("2")
        assert first != second
    assert (tmp_path / "a").read_text() == "1"


def test_missing_folders_are_created(tmp_path: Path) -> None:
    write_text(tmp_path / "b" / "c" / "a.txt", "é")
    assert (tmp_path / "b" / "c" / "a.txt").read_bytes() == "é".encode()


def test_a_path_below_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write .*file/a\.txt: a part of the path is a file") as error:
        write_text(tmp_path / "file" / "a.txt", "x")
    _one_line(error)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="it is a folder, not a file"):
        write_text(tmp_path / "a", "x")
    assert _names(tmp_path) == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_refused_in_one_line(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def write_to_full_disk() -> None:
        with atomic_path(target) as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("x")

    with pytest.raises(DataError, match=r"cannot write .*a\.txt: no space is left on the disk; free some") as error:
        write_to_full_disk()
    _one_line(error)
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "permission denied"),
        (errno.ENOTDIR, "is a file, not a folder"),
        (errno.EIO, "Input/output error; choose another folder"),
    ],
)
def test_every_refusal_names_path_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DataError, match=words) as error:
        write_text(tmp_path / "a.txt", "x")
    assert str(tmp_path / "a.txt") in _one_line(error)
    with pytest.raises(DataError, match=words) as error:
        require_writable_folder(tmp_path)
    assert str(tmp_path) in _one_line(error)
    assert _names(tmp_path) == []


def test_errors_without_a_number_stay_one_line() -> None:
    assert str(unwritable("a", OSError("two\nlines"))) == "cannot write a: two lines; choose another folder"


def test_write_json_keeps_order_and_turns_non_finite_into_null(tmp_path: Path) -> None:
    mapping = {"z": 1.5, "a": float("nan"), "m": [float("inf"), {"k": (-float("inf"), True, None)}], "n": "Å"}
    write_json(tmp_path / "a.json", mapping)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"z": 1.5, "a": None, "m": [None, {"k": [None, True, None]}], "n": "Å"}
    assert list(json.loads(text)) == ["z", "a", "m", "n"]
    assert text.startswith('{\n  "z": 1.5,\n')
    assert text.endswith("}\n")


def test_numbers_of_numpy_become_plain_ones() -> None:
    plain = as_json({"i": np.int64(3), "f": np.float32(0.5), "n": np.float64("nan")})
    assert plain == {"i": 3, "f": 0.5, "n": None}
    assert type(plain["i"]) is int
    assert type(plain["f"]) is float


def test_write_json_leaves_the_old_file_when_a_value_does_not_fit(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError, match="JSON cannot hold a set"):
        write_json(tmp_path / "a.json", {"a": {1}})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


def test_require_writable_folder_creates_it_and_leaves_nothing(tmp_path: Path) -> None:
    assert require_writable_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert _names(tmp_path / "a" / "b") == []


def test_require_writable_folder_refuses_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: a part of the path is a file, not a folder"):
        require_writable_folder(tmp_path / "file")
    with pytest.raises(DataError, match="below: a part of the path is a file, not a folder"):
        require_writable_folder(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_require_writable_folder_refuses_a_forbidden_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="permission denied"):
        require_writable_folder(tmp_path)
    tmp_path.chmod(0o700)


def test_require_readable_file_names_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    require_readable_file(tmp_path / "file", kind="mlmd thing")
    for path, words in [
        (tmp_path, "it is a folder; give the mlmd thing inside it"),
        (tmp_path / "none", "there is no such file; check the path"),
        (tmp_path / "file" / "below", "there is no such file; check the path"),
        (tmp_path / ("x" * 300), "File name too long; check that you may read it"),
    ]:
        with pytest.raises(DataError, match=words) as error:
            require_readable_file(path, kind="mlmd thing")
        assert str(path) in _one_line(error)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_error_keeping_file_raises_when_asked_only(tmp_path: Path) -> None:
    with ErrorKeepingFile("/dev/full", "r+b") as file:
        assert file.write(b"12345") == 5
        assert file.write(b"678") == 3
        assert file.truncate(7) == 7
        with pytest.raises(OSError, match="No space left"):
            file.raise_kept()
    with ErrorKeepingFile(tmp_path / "a", "w+b") as file:
        file.write(np.arange(3.0))
        file.truncate(8)
        file.raise_kept()
    assert (tmp_path / "a").read_bytes() == bytes(8)


def test_temporaries_of_killed_processes_are_removed_from_a_run_alone(tmp_path: Path) -> None:
    names = (".a.h5.1.0123abcd.tmp", ".b.h5.99.ffffffff.tmp", "a.h5", ".a.h5.parts", ".mine.tmp")
    for folder in (tmp_path, tmp_path / "round_1", tmp_path / "another_run"):
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text("")
    (tmp_path / "another_run" / "config.yaml").write_text("")
    remove_temporaries(tmp_path)
    kept = [".a.h5.parts", ".mine.tmp", "a.h5"]
    assert _names(tmp_path) == [*kept[:2], "a.h5", "another_run", "round_1"]
    assert _names(tmp_path / "round_1") == kept
    assert set(names) < set(_names(tmp_path / "another_run"))
