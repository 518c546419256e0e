"""A training in one process is the same under every batch system; distributed ones share one folder."""

import os
import subprocess
import sys

import pytest
from cli.running import FAST, ROOT, TO_LEARN, judged, process

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train",
    "SLURM_JOB_NODELIST": "node[1-2]",
    "SLURM_NODELIST": "node[1-2]",
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "2",
    "SLURM_NODEID": "1",
    "SLURM_LOCALID": "1",
    "SLURM_PROCID": "3",
}
SRUN = SLURM | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4"}
OTHERS = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
    "LSB_JOBID": "7",
    "LSB_DJOB_RANKFILE": "/none",
    "JSM_NAMESPACE_RANK": "1",
    "JSM_NAMESPACE_LOCAL_RANK": "1",
    "JSM_NAMESPACE_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "PMI_RANK": "1",
    "PMI_SIZE": "2",
}
NOTEBOOK = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


def trained_under(variables, cwd, *arguments):
    training = process("train", *FAST, *TO_LEARN, "figures=false", *arguments, cwd=cwd, env=os.environ | variables)
    out, err = training.communicate(timeout=300)
    return training.returncode, out, err


@pytest.mark.parametrize("variables", [SLURM, SRUN | OTHERS | NOTEBOOK])
def test_one_process_ignores_the_variables_of_clusters(tmp_path, trained, variables):
    code, out, err = trained_under(variables, tmp_path, "hydra.run.dir=run")
    assert (code, err) == (0, "")
    assert "velocity accuracy" in out
    assert judged(tmp_path / "run") == judged(trained)
    assert (tmp_path / "run" / "csv" / "version_0" / "metrics.csv").is_file()


def test_processes_that_were_started_together_need_one_folder(tmp_path):
    code, _, err = trained_under(SRUN, tmp_path, "trainer=ddp")
    assert code == 2
    assert err.startswith("error: processes that torchrun or srun starts need one folder for all: add hydra.run.dir=")


def test_torchrun_trains_one_model(tmp_path, trained):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    training = [str(ROOT / "train.py"), *FAST, *TO_LEARN, "trainer=ddp", "hydra.run.dir=run"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*command, *training], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("velocity accuracy") == 1, "one process speaks"
    assert judged(tmp_path / "run").keys() == judged(trained).keys()
