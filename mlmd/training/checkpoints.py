"""Checkpoints that are written completely or not at all, and may be moved with their folder."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from mlmd.files import atomic_path
from mlmd.io.content_digest import with_digest


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames; Lightning's own writer copies where /tmp is another file system."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            DataError: the disk refuses it; the checkpoint before it is kept.
        """
        # Into memory first: torch words a full disk as an error of its own archive writer.
        buffer = io.BytesIO()
        torch.save(with_digest(checkpoint), buffer)
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())


class MovableCheckpoint(ModelCheckpoint):
    """Knows the best score so far also where the run's folder was moved before it is resumed; Lightning forgets it."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue, with every path in the present folder."""
        moved = dict(state_dict) | {"dirpath": self.dirpath}
        for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
            moved[name] = self._here(state_dict[name])
        moved["best_k_models"] = {self._here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(moved)

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "") / Path(path).name) if path else path
