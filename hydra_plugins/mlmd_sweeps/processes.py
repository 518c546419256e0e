"""Runs each job as a process on this machine: ``python train.py <overrides>``, with its output in ``console.log``.

A job that crashes or is killed does not affect the others, and nothing is pickled.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.mlmd_sweeps.composing import compose_job, quoted
from mlmd.cli.launch import BAD_INPUT
from mlmd.cli.program import job_command
from mlmd.errors import MlmdError

CONSOLE = "console.log"

_PATIENCE_S = 20.0
"""Time that an interrupted job has to save its state before it is killed; a killed run can be resumed as well."""

_OF_THE_SWEEP = re.compile(r"(\+*hydra[./](sweep|sweeper|launcher|mode|run)\b|sweep=)")
"""Overrides of the sweep, which a single job does not receive."""


class JobFailedError(MlmdError):
    """A job's process ended with an error; the message is the cause that the job printed."""


class ProcessLauncher(Launcher):
    """Runs jobs as processes; the sweeper decides how many at once."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        # A separate thread starts the processes. An interruption reaches the main thread only, so each process is then
        # either not started or listed as running.
        self._starter = ThreadPoolExecutor(max_workers=1)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Called by Hydra with the configuration of the sweep."""
        self._hydra_context = hydra_context
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs one after the other."""
        return [self._run(list(overrides), initial_job_idx + n) for n, overrides in enumerate(job_overrides)]

    def stop(self) -> None:
        """Interrupt the running processes, wait, and kill those that remain; a second interruption kills at once."""
        self._stopping = True
        self._starter.shutdown()
        running = list(self._running)
        # Ctrl-C in a terminal reaches the jobs as well, a signal of another process does not. A shell makes its
        # background commands ignore SIGINT, and their children ignore it too.
        ignores_interrupts = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        for process in running:
            process.send_signal(signal.SIGTERM if ignores_interrupts else signal.SIGINT)
        deadline = time.monotonic() + _PATIENCE_S
        try:
            for process in running:
                process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            for process in running:
                process.kill()

    def _run(self, overrides: list[str], number: int) -> JobReturn:
        folder, own = self._compose(overrides, number)
        command = [*job_command(self._config.hydra.job.config_name), *own]
        folder.mkdir(parents=True, exist_ok=True)
        console = folder / CONSOLE
        began_at = console.stat().st_size if console.exists() else 0
        process = self._starter.submit(self._start, command, console).result()
        code = process.wait()
        self._running.discard(process)
        ended = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
        if code != 0:
            ended.status = JobStatus.FAILED
            ended.return_value = JobFailedError(_last_words(console, began_at, code))
        return ended

    def _start(self, command: list[str], console: Path) -> subprocess.Popen[bytes]:
        if self._stopping:
            raise KeyboardInterrupt
        with console.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"HYDRA_FULL_ERROR": "1"},  # otherwise the last line is Hydra's advice to set this
            )
        self._running.add(process)
        return process

    def _compose(self, overrides: list[str], number: int) -> tuple[Path, list[str]]:
        """The job's folder, and the command line that makes it by itself."""
        config, folder = compose_job(self._hydra_context, self._config, overrides, number)
        every = [*config.hydra.overrides.hydra, *config.hydra.overrides.task]
        own = [line for line in every if not _OF_THE_SWEEP.match(line)]
        return folder, [*own, f"hydra.run.dir={quoted(folder)}", "hydra.mode=RUN"]


def _last_words(console: Path, began_at: int, code: int) -> str:
    """The cause of a failure, in one line: mlmd's error message, else the last line of the output."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    with console.open("rb") as file:
        file.seek(began_at)
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    ours = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if code == BAD_INPUT and ours:
        return ours[-1]
    return lines[-1] if lines else f"exit code {code} without any output"
