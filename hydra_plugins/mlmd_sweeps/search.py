"""Optuna chooses the jobs by how the earlier ones went; the study lies beside the runs and survives as they do."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hydra.core.override_parser.types import Override

from hydra_plugins.mlmd_sweeps.grid import GridSweeper, swept_values
from mlmd.errors import ConfigError, nearest
from mlmd.sweeps import Job, Outcome, Status, digest, report
from mlmd.sweeps.folders import METRICS

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

STUDIES = "studies"
"""The folder of studies within that of the sweep."""

Direction = Literal["minimize", "maximize"]


class SearchSweeper(GridSweeper):
    """Runs trials until ``n_trials`` of them are finished.

    A study is known by the configuration that its trials share, the space, the objective and its direction, so that the
    same command continues it. A trial that failed or was interrupted stays open and is taken up first.

    Args:
        n_jobs: trials at once.
        n_trials: finished trials in all.
        objective: name of a quantity in ``metrics.json``.
        direction: minimize or maximize.
        seed: of the sampler; one trial at a time, the same seed gives the same trials, interrupted or not.
        sampler: makes a sampler of Optuna from a seed.
        params: overrides that a configuration brings along; the command line goes before.
    """

    objective: str

    def __init__(
        self,
        n_jobs: int,
        n_trials: int,
        objective: str,
        direction: Direction,
        seed: int,
        sampler: "Callable[..., BaseSampler]",
        params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(n_jobs, params)
        self._n_trials = n_trials
        self.objective = objective
        self._direction = direction
        self._seed = seed
        self._sampler = sampler
        self._fixed: list[str] = []
        self._space: dict[str, BaseDistribution] = {}
        self._study: Study

    def jobs(self, overrides: list[Override]) -> Iterator[Job]:
        """As many trials as are missing, each chosen when there is room for it."""
        if self._direction not in get_args(Direction):
            words = nearest(self._direction, get_args(Direction))
            raise ConfigError(f"hydra.sweeper.direction = {self._direction!r} is unknown: {words}")
        self._fixed = [str(override.input_line) for override in overrides if not override.is_sweep_override()]
        self._space = {o.get_key_element(): _distribution(o) for o in overrides if o.is_sweep_override()}
        if not self._space:
            raise ConfigError(
                "sweep=optuna has nothing to choose: give ranges, such as model=3vR0,DuR0 seed=range(1,9)"
            )
        self._study = self._open_study()
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if trial.state.is_finished():
                self._recall(self._job(trial.number, trial.params), trial.value)
        n_missing = max(0, self._n_trials - len(self._outcomes))
        report.say(report.search_line(self._n_trials, n_missing, n_at_once=self._n_jobs))
        return self._missing([trial.number for trial in trials if not trial.state.is_finished()], n_missing)

    def take(self, outcome: Outcome) -> Outcome:
        """Tell Optuna, and keep the value for the table.

        Raises:
            ConfigError: the run has no such quantity as the objective.
        """
        from optuna.trial import TrialState

        if outcome.status not in (Status.DONE, Status.SKIPPED):
            return outcome
        if not (outcome.folder / METRICS).is_file():
            return replace(outcome, status=Status.FAILED, note=f"it left no {METRICS}")
        value = report.read_objective(outcome.folder, self.objective)
        # What is not finite is worse than all that is, and that is how Optuna takes what was pruned.
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        self._study.tell(outcome.job.number, value, state=state)
        return replace(outcome, value=value)

    def closing_lines(self) -> list[str]:
        """The best trial, and what failed."""
        sign = 1.0 if self._direction == "minimize" else -1.0
        rated = [(sign * outcome.value, outcome) for outcome in self._outcomes if outcome.value is not None]
        best = [report.best_line(min(rated, key=lambda pair: pair[0])[1], self.objective)] if rated else []
        return best + super().closing_lines()

    def _missing(self, still_open: list[int], n_missing: int) -> Iterator[Job]:
        for number in still_open[:n_missing]:
            yield self._job(number, self._study.get_trials(deepcopy=False)[number].params)
        for _ in range(n_missing - len(still_open)):
            number = len(self._study.get_trials(deepcopy=False))
            # A sampler that was seeded once would begin again with its first choices when a search continues.
            self._study.sampler = self._sampler(seed=self._seed + number)
            yield self._job(number, self._study.ask(self._space).params)

    def _job(self, number: int, params: Mapping[str, Any]) -> Job:
        chosen = [f"{key}={value}" for key, value in params.items()]
        return self.job(number, [*self._fixed, *chosen], " ".join(chosen))

    def _recall(self, job: Job, value: float | None) -> None:
        """A trial of an earlier call, for the table."""
        folder = self._folders.finished(job.digest) or job.folder
        self._outcomes.append(Outcome(job, Status.SKIPPED, folder, value=value))

    def _open_study(self) -> "Study":
        """The study of this search, new or with its trials so far."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        name = digest(
            {
                "shared": self.job(0, self._fixed, "the search").digest,
                "space": {key: repr(distribution) for key, distribution in self._space.items()},
                "objective": self.objective,
                "direction": self._direction,
                "seed of the search": self._seed,
            }
        )
        folder = Path(self.config.hydra.sweep.dir) / STUDIES
        folder.mkdir(parents=True, exist_ok=True)
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(folder / f"{name}.log"))),
            study_name=name,
            direction=self._direction,
            load_if_exists=True,
        )


def _distribution(override: Override) -> "BaseDistribution":
    """What Optuna may choose from."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep: Any = override.value()
    log = "log" in getattr(sweep, "tags", ())
    if override.is_interval_sweep():
        made = IntDistribution if isinstance(sweep.start, int) and isinstance(sweep.end, int) else FloatDistribution
        return made(sweep.start, sweep.end, log=log)
    if override.is_range_sweep():
        values = list(sweep.range())
        if all(isinstance(value, int) for value in values) and sweep.step > 0:
            return IntDistribution(values[0], values[-1], step=sweep.step, log=log)
    return CategoricalDistribution([line.split("=", 1)[1] for line in swept_values(override)])
