"""Sweeps that can be interrupted: which jobs are finished, which are resumed, and the report; without Hydra."""

from mlmd.sweeps.digest import digest
from mlmd.sweeps.extras import require_extra
from mlmd.sweeps.folders import RunFolders, free_folder
from mlmd.sweeps.jobs import Job, Outcome, Status, run_jobs

__all__ = ["Job", "Outcome", "RunFolders", "Status", "digest", "free_folder", "require_extra", "run_jobs"]
