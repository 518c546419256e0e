import itertools

import pytest
import torch

from mlmd.data.generation import SPLITS, DataPlan, draw_initial, reference_data, split_seed
from mlmd.errors import ConfigError
from mlmd.systems import RotatingRegime, ThermalRegime

PLAN = DataPlan(n_train=6, n_val=3, n_test=3, n_steps=30)
ROTATING = RotatingRegime(4.0, 1.0)


def splits(system, regime=ROTATING, *, seed=1, cache=None):
    return reference_data(
        system, regime, PLAN, seed=seed, cache_folder=cache, recipe={"regime": repr(regime)}, provenance={}
    )


def starts(trajectory) -> set[tuple[float, ...]]:
    return {tuple(start) for start in trajectory.positions[:, 0].flatten(1).tolist()}


def test_splits_share_no_trajectory(hcl_harmonic):
    parts = splits(hcl_harmonic)
    assert tuple(parts) == SPLITS
    assert [part.n_replicas for part in parts.values()] == [6, 3, 3]
    assert all(len(part) == 30 for part in parts.values())
    for one, other in itertools.combinations(parts.values(), 2):
        # Never at the same point of phase space at any time, nor on the same orbit in the same orientation.
        for field in ("positions", "velocities"):
            ours, theirs = (getattr(part, field).flatten(2).flatten(0, 1) for part in (one, other))
            assert float(torch.cdist(ours, theirs).min()) > 1e-8
        assert not starts(one) & starts(other)


def test_trajectories_of_a_split_differ(hcl_harmonic):
    for part in splits(hcl_harmonic).values():
        assert len(starts(part)) == part.n_replicas


def test_rollouts_start_elsewhere_than_any_split(hcl_harmonic):
    seen = set().union(*(starts(part) for part in splits(hcl_harmonic).values()))
    for purpose in ("val rollout", "test rollout", "simulation"):
        positions, _ = draw_initial(hcl_harmonic, ROTATING, 5, seed=1, purpose=purpose)
        fresh = {tuple(start) for start in positions.flatten(1).tolist()}
        assert len(fresh) == 5
        assert not fresh & seen
        seen |= fresh


def test_the_seed_decides_everything(hcl_harmonic):
    once, again, other = splits(hcl_harmonic), splits(hcl_harmonic), splits(hcl_harmonic, seed=2)
    for split in SPLITS:
        assert torch.equal(once[split].kicks, again[split].kicks)
        assert not starts(once[split]) & starts(other[split])


def test_seeds_of_purposes_do_not_meet():
    seeds = {split_seed(seed, purpose) for seed in range(50) for purpose in (*SPLITS, "val rollout", "simulation")}
    assert len(seeds) == 250


def test_training_alone_is_drawn_hotter(hcl_harmonic):
    plain, hot = splits(hcl_harmonic, ThermalRegime(300.0)), splits(hcl_harmonic, ThermalRegime(300.0, 4.0))
    assert starts(plain["test"]) == starts(hot["test"])
    assert starts(plain["val"]) == starts(hot["val"])
    ratio = hot["train"].velocities[:, 0].square().mean() / plain["train"].velocities[:, 0].square().mean()
    assert float(ratio) == pytest.approx(4.0, rel=0.3)


def test_the_cache_gives_back_what_was_made(hcl_harmonic, tmp_path):
    made = splits(hcl_harmonic, cache=tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    times = [path.stat().st_mtime_ns for path in files]
    read = splits(hcl_harmonic, cache=tmp_path)
    assert [path.stat().st_mtime_ns for path in files] == times
    for split in SPLITS:
        for field in ("steps", "positions", "velocities", "kicks"):
            assert torch.equal(getattr(made[split], field), getattr(read[split], field))
    splits(hcl_harmonic, cache=tmp_path, seed=2)
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("name", ["n_train", "n_val", "n_test", "n_steps"])
def test_numbers_must_be_positive(name):
    sizes = {"n_train": 1, "n_val": 1, "n_test": 1, "n_steps": 1, name: 0}
    with pytest.raises(ConfigError, match=rf"data\.trajectories\.{name} = 0 must be at least 1"):
        DataPlan(**sizes)
