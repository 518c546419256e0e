import pytest
import torch

from mlmd.errors import DataError
from mlmd.io.content_digest import DIGEST_KEY, content_digest, require_digest, with_digest

CONTENT = {
    "step": 3,
    "weights": {
        "head": torch.arange(4, dtype=torch.float32).reshape(2, 2),
        "bf16": torch.ones((), dtype=torch.bfloat16),
    },
    "past": [(1.0, None), (2.0, "text")],
}


def test_what_was_written_is_accepted_after_it_was_stored(tmp_path):
    torch.save(with_digest(CONTENT), tmp_path / "content.pt")
    loaded = torch.load(tmp_path / "content.pt", weights_only=True)
    require_digest(loaded, "content.pt")
    assert with_digest(loaded) == loaded | {DIGEST_KEY: content_digest(CONTENT)}


@pytest.mark.parametrize(
    "changes",
    [
        {"step": 4},
        {"step": 3.0},
        {"step": True},
        {"more": None},
        {"past": [(1.0, None), (2.0, "tex"), "t"]},
        {"past": [(1.0, None, 2.0, "text")]},
        {"weights": CONTENT["weights"] | {"head": torch.arange(4, dtype=torch.float32)}},
        {"weights": CONTENT["weights"] | {"head": torch.tensor([[0.0, 1.0], [2.0, -3.0]])}},
    ],
)
def test_any_change_is_found(changes):
    with pytest.raises(DataError, match=r"cannot read mine\.pt: it was changed after it was written"):
        require_digest(with_digest(CONTENT) | changes, "mine.pt")


def test_older_files_have_no_digest():
    require_digest(CONTENT, "mine.pt")
