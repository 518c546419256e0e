"""A digest of the content of a checkpoint or restart file, by which a file that was rewritten is found."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from mlmd.errors import DataError

DIGEST_KEY = "content_sha256"
"""Under this name a file holds the digest of all its other entries."""


def with_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its digest.

    Args:
        content: tensors and plain values by name, also nested.
    """
    return {**content, DIGEST_KEY: content_digest(content)}


def require_digest(content: Mapping[str, Any], source: object) -> None:
    """Refuse content that differs from what was written; files of older versions have no digest.

    Args:
        content: of a file, with its digest.
        source: the file, for the error.

    Raises:
        DataError: the content was changed.
    """
    stored = content.get(DIGEST_KEY)
    if stored is not None and stored != content_digest(content):
        raise DataError(f"cannot read {source}: it was changed after it was written; restore it or start the run over")


def content_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of all entries but the digest itself; the order of the entries of a mapping does not matter.

    >>> content_digest({"a": 1, "b": [2.0]}) == content_digest({"b": [2.0], "a": 1})
    True
    >>> content_digest({"a": 1}) == content_digest({"a": True})
    False
    """
    digest = hashlib.sha256()
    for part in _parts({key: value for key, value in content.items() if key != DIGEST_KEY}):
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    """The value as bytes that no other value gives."""
    if isinstance(value, torch.Tensor):
        yield f"tensor {value.dtype} {tuple(value.shape)};".encode()
        yield value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)};".encode()
        for key in sorted(value, key=repr):
            yield from _parts(key)
            yield from _parts(value[key])
    elif isinstance(value, list | tuple):
        yield f"list {len(value)};".encode()
        for item in value:
            yield from _parts(item)
    else:
        text = repr(value)
        yield f"{type(value).__name__} {len(text)} {text};".encode()
