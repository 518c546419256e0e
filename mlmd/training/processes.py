"""Which of the processes of a training this one is; a training in one process does not ask its surroundings.

Batch systems and launchers set variables such as ``SLURM_PROCID``, ``RANK`` or ``OMPI_COMM_WORLD_RANK`` for all that
runs under them. Lightning takes a training there for a part of a distributed one.
"""

import os
from collections.abc import Mapping
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities import rank_zero

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Variables that number the processes of a distributed training, in the order in which Lightning takes them."""


class OneProcess(LightningEnvironment):
    """The surroundings of a training in one process, whatever the variables say."""

    @property
    def creates_processes_externally(self) -> bool:
        """There are no other processes."""
        return True

    def world_size(self) -> int:
        """One."""
        return 1

    def global_rank(self) -> int:
        """The first."""
        return 0

    def local_rank(self) -> int:
        """The first."""
        return 0

    def node_rank(self) -> int:
        """The first."""
        return 0

    def set_global_rank(self, rank: int) -> None:
        """It is the first."""
        _write_here()


def is_distributed(trainer: Mapping[str, Any]) -> bool:
    """Whether a training with these arguments of Lightning's trainer runs in several processes.

    >>> is_distributed({"devices": 1, "strategy": "auto"}), is_distributed({"devices": 2, "strategy": "auto"})
    (False, True)
    """
    return trainer["devices"] not in (1, "1") or trainer["strategy"] != "auto" or trainer.get("num_nodes", 1) != 1


def rank(trainer: Mapping[str, Any]) -> int:
    """Number of this process among those of the training, from 0."""
    if not is_distributed(trainer):
        return 0
    return next((int(os.environ[name]) for name in RANKS if name in os.environ), 0)


def are_started_together() -> bool:
    """Whether torchrun or srun has started the processes of a distributed training; else Lightning starts them."""
    return "TORCHELASTIC_RUN_ID" in os.environ or int(os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1


def environment(trainer: Mapping[str, Any]) -> list[ClusterEnvironment]:
    """Lightning's plugins for the surroundings of a training; none where it finds torchrun's or srun's by itself."""
    if not is_distributed(trainer):
        _write_here()
        return [OneProcess()]
    return [] if are_started_together() else [LightningEnvironment()]


def _write_here() -> None:
    """Let loggers write in this process; Lightning has read its rank from the variables when it was imported."""
    vars(rank_zero.rank_zero_only)["rank"] = 0
