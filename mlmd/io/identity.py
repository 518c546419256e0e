"""A digest of everything that decides the frames of a recording, so that no other run continues it."""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from mlmd.models import VelocityPredictor


def identity(
    config: Mapping[str, Any], *, not_deciding: Collection[str], predictor: VelocityPredictor | None = None
) -> str:
    """The digest of a run.

    Args:
        config: the resolved configuration, as it is written into the run's folder.
        not_deciding: keys that change no frame.
        predictor: a trained predictor counts by its weights, because a file of the same name may hold another one.
    """
    deciding = {key: value for key, value in config.items() if key not in not_deciding}
    digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode())
    if predictor is not None:
        for name, weights in sorted(predictor.state_dict().items()):
            digest.update(name.encode() + weights.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
