"""Every combination of the given values; finished jobs are skipped, interrupted ones resumed, failures listed."""

import itertools
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.mlmd_sweeps.composing import compose_job, quoted
from mlmd.cli.job import resolved
from mlmd.cli.launch import one_line_errors
from mlmd.cli.overrides import first_line
from mlmd.cli.signals import exit_code
from mlmd.cli.trust import names_to_trust
from mlmd.errors import ConfigError, MlmdError
from mlmd.sweeps import Job, Outcome, RunFolders, Status, digest, free_folder, report, run_jobs

SOME_FAILED = 1
"""Exit code of a sweep that is not finished."""


class GridSweeper(Sweeper):
    """Runs the product of all values, each job by the launcher.

    Args:
        n_jobs: jobs at once.
        params: overrides that a configuration brings along; the command line goes before.
    """

    objective: str | None = None

    def __init__(self, n_jobs: int, params: Mapping[str, Any] | None = None) -> None:
        self._n_jobs = n_jobs
        self._params = dict(params or {})
        self._outcomes: list[Outcome] = []
        self._one_of_each: dict[str, threading.Lock] = {}
        self.config: DictConfig
        self.launcher: Launcher
        self.hydra_context: HydraContext

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's: what a sweep runs and with which launcher."""
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Outcome]:
        """Run the jobs that are not finished; the exit code is 0 only if every job is finished afterwards."""
        with one_line_errors():
            try:
                self._check()
                self._folders = RunFolders(Path(self.config.hydra.sweep.dir))
                for outcome in run_jobs(self.jobs(self._overrides(arguments)), self._run, n_at_once=self._n_jobs):
                    report.say(report.end_line(outcome))
                    self._outcomes.append(self.take(outcome))
            except (KeyboardInterrupt, SystemExit):  # Lightning makes a SystemExit of an interruption
                self._stop()
                self._leave_interrupted()
            except BaseException:
                self._stop()
                raise
        return self._leave()

    def jobs(self, overrides: list[Override]) -> Iterator[Job]:
        """All jobs, composed before the first one runs, so that a mistake in the last one shows at once."""
        for override in overrides:
            if override.is_interval_sweep():
                raise ConfigError(f"{override.input_line}: an interval has no end of values; sweep=optuna searches it")
        values = [swept_values(override) for override in overrides]
        combinations = list(itertools.product(*values))
        report.say(report.begin_line(len(combinations), n_at_once=self._n_jobs))
        swept = [len(choices) > 1 for choices in values]
        jobs = []
        for number, chosen in enumerate(combinations):
            name = " ".join(itertools.compress(chosen, swept)) or " ".join(chosen) or "the defaults"
            jobs.append(self.job(number, chosen, name))
        return iter(jobs)

    def take(self, outcome: Outcome) -> Outcome:
        """How a job ended, with what there is to add to it."""
        return outcome

    def closing_lines(self) -> list[str]:
        """Lines below the table."""
        return report.failure_lines(self._outcomes)

    def job(self, number: int, overrides: Sequence[str], name: str) -> Job:
        """The job of a list of plain overrides: its configuration is composed, resolved and digested.

        Raises:
            ConfigError: it does not compose.
        """
        try:
            config, folder = compose_job(self.hydra_context, self.config, overrides, number)
            with open_dict(config):
                del config["hydra"]
            values = resolved(config)
            return Job(number, name, tuple(overrides), digest(values), folder, tuple(names_to_trust(values)))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(f"{name or 'the sweep'}: {first_line(error)}") from error

    def _overrides(self, arguments: list[str]) -> list[Override]:
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        given: list[Override] = parser.parse_overrides(arguments)
        keys = {override.key_or_group for override in given}
        own: list[Override] = parser.parse_overrides([f"{key}={value}" for key, value in self._params.items()])
        return [override for override in own if override.key_or_group not in keys] + given

    def _check(self) -> None:
        if self._n_jobs < 1:
            raise ConfigError(f"hydra.sweeper.n_jobs = {self._n_jobs} must be at least 1")
        if self._n_jobs > 1 and self.config.hydra.launcher._target_.endswith(".BasicLauncher"):
            raise ConfigError(
                f"hydra.sweeper.n_jobs = {self._n_jobs}: hydra/launcher=basic runs one job at a time, in this process"
            )

    def _run(self, job: Job) -> Outcome:
        """Run a job, unless that is not needed; of two with one configuration the second waits for the first."""
        with self._one_of_each.setdefault(job.digest, threading.Lock()):
            return self._run_alone(job)

    def _run_alone(self, job: Job) -> Outcome:
        finished = self._folders.finished(job.digest)
        if finished is not None:
            return Outcome(job, Status.SKIPPED, finished, note=report.shown(finished))
        running = self._folders.running(job.digest)
        if running is not None:
            return Outcome(job, Status.RUNNING, running, note=f"in another process: {report.shown(running)}")
        resumable = self._folders.resumable(job.digest)
        folder = resumable or free_folder(job.folder, job.digest)
        report.say(report.start_line(job, folder, resumes=resumable is not None))
        began = time.monotonic()
        failure = self._launch(job, folder, resumes=resumable is not None)
        self._folders.add(folder)
        wall_s = time.monotonic() - began
        if failure is not None:
            return Outcome(job, Status.FAILED, folder, note=failure, wall_s=wall_s)
        return Outcome(job, Status.DONE, folder, wall_s=wall_s)

    def _launch(self, job: Job, folder: Path, *, resumes: bool) -> str | None:
        """Run a job by the launcher; why it failed, in one line, or None."""
        overrides = list(job.overrides)
        if resumes:
            # Its own configuration counts. The choice of a sweep stays: the launcher's options belong to it.
            overrides = [line for line in overrides if line.startswith("sweep=")] + [f"resume={quoted(folder)}"]
            overrides += [f"trust=[{','.join(job.trusted)}]"] if job.trusted else []
        overrides += [f"hydra.sweep.dir={quoted(folder.parent)}", f"hydra.sweep.subdir={quoted(folder.name)}"]
        try:
            (ended,) = self.launcher.launch([overrides], initial_job_idx=job.number)
        except Exception as error:  # of the launcher: a job's process died, or could not be submitted
            return reason(error)
        return reason(_error_of(ended)) if ended.status == JobStatus.FAILED else None

    def _stop(self) -> None:
        """End the jobs that run, where the launcher knows how to."""
        stop = getattr(self.launcher, "stop", None)
        if stop is not None:
            stop()

    def _leave_interrupted(self) -> NoReturn:
        n_finished = sum(outcome.status in (Status.DONE, Status.SKIPPED) for outcome in self._outcomes)
        jobs = f"{n_finished} job{'s are' if n_finished != 1 else ' is'} finished"
        elsewhere = "" if hasattr(self.launcher, "stop") or self._n_jobs == 1 else "; jobs that were submitted run on"
        report.say(f"sweep interrupted, {jobs}; the same command goes on from there{elsewhere}")
        raise SystemExit(exit_code())

    def _leave(self) -> list[Outcome]:
        report.print_table(self._outcomes, objective=self.objective)
        for line in self.closing_lines():
            report.say(line)
        left = report.closing_line(self._outcomes)
        if left is not None:
            print(f"error: {left}", file=sys.stderr)
            raise SystemExit(SOME_FAILED)
        return self._outcomes


def swept_values(override: Override) -> list[str]:
    """Plain overrides, one for every value that an override sweeps over, or itself."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def reason(error: BaseException) -> str:
    """Why a job failed, in one line; the type of the error is left out for an error of mlmd."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, MlmdError):
        return line
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _error_of(ended: JobReturn) -> BaseException:
    # Its public name raises the error, and prints a line of its own before.
    error = ended._return_value
    return error if isinstance(error, BaseException) else RuntimeError("the job failed without an error")
