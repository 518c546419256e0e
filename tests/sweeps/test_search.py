"""A search by Optuna, with trainings that take no time."""

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweeps.conftest import HERE

SPACE = ("sweep=optuna", "seed=range(1,100)", "data.batches.noise=tag(log,interval(1e-4,1e-1))", "model=3vR0,DuR0")
EARLY = "+hydra.sweeper.sampler.n_startup_trials=2"
"""Trials that are drawn blindly before Optuna looks at how the earlier ones went."""


def score(values) -> float:
    """Least at seed 40 and a noise of 0.01."""
    return abs(values["seed"] - 40) / 40 + abs(values["data"]["batches"]["noise"] / 0.01 - 1.0)


@pytest.fixture
def search(cli, trainings):
    trainings.score = score

    def run(n_trials: int, *arguments: str):
        trainings.calls.clear()
        return cli("train", "--multirun", *HERE, *SPACE, EARLY, f"hydra.sweeper.n_trials={n_trials}", *arguments)

    return run


def chosen(trainings) -> list[tuple[int, float, str]]:
    values = (call["values"] for call in trainings.calls)
    return [(v["seed"], v["data"]["batches"]["noise"], v["model"]["components"]) for v in values]


def test_optuna_receives_the_outcome_of_every_trial(search, trainings, tmp_path):
    ended = search(5)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[0] == "search: 5 of 5 trials to run, one at a time"
    found = chosen(trainings)
    scores = [score(call["values"]) for call in trainings.calls]
    assert len(set(found)) == 5
    assert all(1 <= seed < 100 and 1e-4 <= noise <= 1e-1 for seed, noise, _ in found)
    best = min(range(5), key=scores.__getitem__)
    line = ended.out.splitlines()[-1]
    assert line.startswith(f"best: seed={found[best][0]} data.batches.noise={found[best][1]} model=")
    assert f"val/best = {scores[best]:.6g} (outputs/train/HCl/" in line

    (path,) = (tmp_path / "outputs" / "train" / "studies").glob("*.log")
    study = optuna.load_study(study_name=path.stem, storage=JournalStorage(JournalFileBackend(str(path))))
    assert [trial.values for trial in study.trials] == [[value] for value in scores]
    assert [trial.params["seed"] for trial in study.trials] == [seed for seed, _, _ in found]
    assert study.best_trial.number == best


def test_an_interrupted_search_ends_with_the_trials_of_an_uninterrupted_one(search, trainings):
    search(5, "hydra.sweep.dir=outputs/whole")
    whole = chosen(trainings)
    seed = whole[3][0]
    trainings.fails = {seed: KeyboardInterrupt()}
    assert search(5).code == 130
    assert chosen(trainings) == whole[:4]
    trainings.fails = {}
    ended = search(5)
    assert (ended.code, chosen(trainings)) == (0, whole[3:])
    assert ended.out.splitlines()[0] == "search: 2 of 5 trials to run, one at a time"
    assert ended.out.count("skipped") == 3
    again = search(5)
    assert (again.code, trainings.calls) == (0, [])
    assert "best: " in again.out
    assert search(6).code == 0
    assert len(trainings.calls) == 1


def test_without_its_study_a_search_finds_the_runs_again(search, trainings, tmp_path):
    search(3)
    first = chosen(trainings)
    (study,) = (tmp_path / "outputs" / "train" / "studies").iterdir()
    study.unlink()
    ended = search(4)
    assert (ended.code, len(chosen(trainings))) == (0, 1)
    assert chosen(trainings)[0] not in first


def test_a_failed_trial_stops_no_other_and_is_tried_again_first(search, trainings, refusal):
    search(3, "hydra.sweep.dir=outputs/whole")
    trainings.fails = {chosen(trainings)[1][0]: refusal}
    ended = search(3)
    assert (ended.code, len(trainings.calls)) == (1, 3)
    failed = chosen(trainings)[1]
    assert ended.err.startswith("error: 1 failed of 3 jobs")
    trainings.fails = {}
    assert search(3).code == 0
    assert chosen(trainings) == [failed]


def test_the_objective_and_its_direction_are_choices(search, trainings):
    ended = search(3, "hydra.sweeper.direction=maximize")
    scores = [score(call["values"]) for call in trainings.calls]
    assert f"val/best = {max(scores):.6g} " in ended.out
    unknown = search(2, "hydra.sweeper.objective=val/bset")
    assert unknown.code == 2
    assert "hydra.sweeper.objective = 'val/bset' is not in outputs/train/" in unknown.err
    assert unknown.err.endswith("metrics.json: did you mean 'val/best'?\n")
    assert len(trainings.calls) <= 1


def test_a_score_that_is_not_finite_is_the_worst(search, trainings):
    trainings.score = lambda values: None if values["seed"] > 10 else score(values)
    ended = search(4)
    assert ended.code == 0
    assert len(trainings.calls) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep=optuna", "seed=1"], "sweep=optuna has nothing to choose: give ranges"),
        (["sweep=optuna", "seed=1,2", "hydra.sweeper.direction=up"], "hydra.sweeper.direction = 'up' is unknown"),
    ],
)
def test_bad_input_is_one_line(arguments, words, cli, trainings):
    ended = cli("train", "--multirun", *HERE, *arguments)
    assert (ended.code, trainings.calls) == (2, [])
    assert words in ended.err
    assert ended.err.count("\n") == 1
