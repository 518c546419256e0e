from pathlib import Path

import pytest

from mlmd.sweeps import RunFolders, free_folder

DIGEST = "0123456789abcdef"


def run(folder: Path, *files: str, digest: str = DIGEST) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(f"seed: 1\nsystem:\n  digest: other\ndigest: {digest}\n")
    for name in files:
        (folder / name).touch()
    return folder


def test_runs_are_found_by_what_their_folders_hold(tmp_path):
    run(tmp_path / "HCl" / "begun")
    stopped = run(tmp_path / "HCl" / "stopped", "last.ckpt")
    folders = RunFolders(tmp_path)
    assert (folders.finished(DIGEST), folders.running(DIGEST)) == (None, None)
    assert folders.resumable(DIGEST) == stopped
    first, second = (run(tmp_path / "H2" / name, "last.ckpt", "metrics.json") for name in "ab")
    folders.add(first)
    folders.add(second)
    assert folders.finished(DIGEST) == second
    assert folders.finished("f" * 16) is None
    assert folders.resumable("f" * 16) is None


def test_a_digest_of_digits_alone_is_found_though_yaml_quotes_it(tmp_path):
    folder = run(tmp_path / "run", "metrics.json", digest="'1234567890123456'")
    assert RunFolders(tmp_path).finished("1234567890123456") == folder


@pytest.mark.parametrize("config", ["", "seed: 1\n", "\xff"])
def test_a_folder_without_a_digest_belongs_to_no_job(config, tmp_path):
    (tmp_path / "config.yaml").write_text(config, encoding="latin-1")
    (tmp_path / "metrics.json").touch()
    assert RunFolders(tmp_path).finished(DIGEST) is None


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert RunFolders(tmp_path / "gone").finished(DIGEST) is None


def test_a_job_never_begins_in_the_folder_of_another(tmp_path):
    wanted = tmp_path / "run"
    assert free_folder(wanted, DIGEST) == wanted
    run(wanted)
    assert free_folder(wanted, DIGEST) == wanted, "its own, and nothing in it"
    assert free_folder(wanted, "f" * 16) == tmp_path / "run+1"
    (wanted / "metrics.json").touch()
    run(tmp_path / "run+1", digest="f" * 16)
    assert free_folder(wanted, DIGEST) == tmp_path / "run+2"
