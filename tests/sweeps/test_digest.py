from mlmd.sweeps import digest

VALUES = {"seed": 1, "system": {"name": "HCl", "dt_fs": 0.5}, "data": {"cache": "a", "noise": 0.0}, "resume": None}


def test_the_order_of_keys_where_things_lie_and_the_format_version_do_not_count():
    moved = {"resume": "outputs/old", "digest": "0123", "format_version": 9}
    moved = {**moved, **VALUES, "data": {"noise": 0.0, "cache": None}}
    assert digest(dict(reversed(moved.items()))) == digest(VALUES)


def test_everything_else_counts():
    changes = ({"seed": 2}, {"system": {"name": "HCl", "dt_fs": 0.25}}, {"data": {"noise": 1e-3}}, {"threads": 2})
    assert len({digest(VALUES), *(digest(VALUES | change) for change in changes)}) == 5


def test_a_checkpoint_counts_by_its_content(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "best.ckpt").write_bytes(b"weights")
    same = {digest({"checkpoint": str(path)}) for path in (one, other, one / "best.ckpt")}
    assert len(same) == 1
    (one / "best.ckpt").write_bytes(b"overwritten")
    assert digest({"checkpoint": str(one)}) not in same
    assert digest({"checkpoint": "gone"}) != digest({"checkpoint": "gone too"})
