"""Runs of three atoms are judged as those of two are."""

import dataclasses
import math

import pytest
import torch
from observables.molecules import CARBON_DIOXIDE, DT_FS, WATER, rotations

from evaluation.oracle import oracle_scores
from mlmd.errors import ConfigError
from mlmd.evaluation import chunked_frames
from mlmd.evaluation.curves import merge_curves
from mlmd.evaluation.evaluate import evaluate_rollouts
from mlmd.evaluation.evaluation_plan import EnergySampling
from mlmd.observables import kinetic_energy
from mlmd.state import Trajectory

MOLECULES = pytest.mark.parametrize("molecule", [WATER, CARBON_DIOXIDE], ids=["H2O", "CO2"])
PERIOD_FS = 50.0


def potential(positions):
    """Any energy that knows no place and direction."""
    return 3.0 * ((positions[..., 1, :] - positions[..., 0, :]).norm(dim=-1) - 1.0).square() + 0.5


def make_runs(molecule):
    """A run whose every score is far from zero, and its reference."""
    true, _, _ = molecule.run(n_frames=500, turn=torch.tensor([2e-3, 1e-3, 0.0], dtype=torch.float64))
    run, _, _ = molecule.run(
        n_frames=500,
        turn=torch.tensor([2.1e-3, 1e-3, 0.0], dtype=torch.float64),
        amplitudes=tuple(0.02 + 0.002 * mode for mode in range(1, 1 + molecule.modes.n_modes)),
        factor=(0.97,) * molecule.modes.n_modes,
    )
    noise = torch.randn(run.velocities.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Trajectory(run.steps, run.positions, run.velocities + 1e-4 * noise, run.kicks), true


def keywords(molecule):
    return {"masses": molecule.masses, "dt_fs": DT_FS, "period_fs": PERIOD_FS, "motion": molecule.motion}


def evaluate(molecule, run, true, **changes):
    return evaluate_rollouts({"f = 0": run}, true, potential, **keywords(molecule) | changes)


def every_kth(run, *, first, every):
    """A run that holds fewer frames."""
    chosen = slice(first, None, every)
    return Trajectory(run.steps[chosen], *(values[:, chosen] for values in (run.positions, run.velocities, run.kicks)))


@MOLECULES
@pytest.mark.parametrize("group", [1, 2, 32])
def test_scores_are_those_of_the_whole(molecule, group, monkeypatch):
    monkeypatch.setattr(chunked_frames, "SERIES_BYTES", group * 8 * 500 * molecule.motion.n_modes)
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 100 * 3 * 3 * 3 * 3 * 8)
    run, true = make_runs(molecule)
    expected = oracle_scores(run, true, potential(run.positions), potential(true.positions), **keywords(molecule))
    ours = evaluate(molecule, run, true).scores["f = 0"]
    assert ours.keys() == expected.keys()
    assert "mode_kinetic_error_worst" in ours
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name
        assert abs(value) > 1e-6 or name == "diverged_replicas", name


@MOLECULES
def test_turning_and_moving_everything_changes_nothing(molecule):
    run, true = make_runs(molecule)
    turn = rotations(1, torch.Generator().manual_seed(2))[0].mT

    def moved(frames):
        drift = frames.steps[:, None, None] * 1e-3 + 4.0
        return Trajectory(frames.steps, frames.positions @ turn + drift, frames.velocities @ turn, frames.kicks @ turn)

    ours, theirs = (evaluate(molecule, *pair).scores["f = 0"] for pair in ((run, true), (moved(run), moved(true))))
    for name, value in ours.items():
        assert theirs[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


@MOLECULES
def test_lines_are_kept_for_a_table(molecule):
    run, true = make_runs(molecule)
    curves = evaluate(molecule, run, true).curves
    assert [view.line.modes for view in curves.lines] == [line.modes for line in molecule.motion.lines]
    for view in curves.lines:
        shift = view.shifts["f = 0"]
        assert view.reference_cm1 == shift.reference_cm1 == pytest.approx(view.line.harmonic_cm1, abs=8.0)
        assert shift.shift_cm1 == pytest.approx(-0.03 * view.line.harmonic_cm1, abs=8.0)
    largest = max((view.shifts["f = 0"].shift_cm1 for view in curves.lines), key=abs)
    assert evaluate(molecule, run, true).scores["f = 0"]["line_shift_cm1"] == largest
    assert curves.bond_ref.first_bond == molecule.motion.first_bond
    torch.testing.assert_close(curves.start.bond_length, molecule.motion.lengths(true.positions)[:, 0, 0])
    density = curves.bond_ref.density * curves.bond_ref.edges.diff()
    assert float(density.sum()) == pytest.approx(1.0), "of all bonds together"
    lengths = molecule.motion.lengths(true.positions)[0, :, 0]
    assert curves.bond_ref.first_range == (float(lengths.min()), float(lengths.max()))


def test_runs_judged_one_by_one_have_one_table():
    run, true = make_runs(WATER)
    parts = [
        evaluate_rollouts({name: source}, true, potential, **keywords(WATER))
        for name, source in (("a", run), ("b", true))
    ]
    lines = merge_curves([part.curves for part in parts]).lines
    assert [list(view.shifts) for view in lines] == [["a", "b"]] * 3
    assert all(view.shifts["b"].shift_cm1 == 0 for view in lines)


def test_a_run_without_survivors_has_no_line():
    run, true = make_runs(WATER)
    lost = dataclasses.replace(run, positions=torch.full_like(run.positions, torch.nan))
    judged = evaluate(WATER, lost, true)
    assert math.isnan(judged.scores["f = 0"]["line_shift_cm1"])
    assert math.isnan(judged.scores["f = 0"]["mode_kinetic_error_worst"])
    assert all(math.isnan(view.shifts["f = 0"].shift_cm1) for view in judged.curves.lines)
    assert all(math.isfinite(view.reference_cm1) for view in judged.curves.lines)


@pytest.mark.parametrize("every", [2, 7, 120, 499])
@pytest.mark.parametrize("frames_at_once", [20, 500])
def test_energies_of_every_kth_frame_are_those_of_a_run_of_these_frames(every, frames_at_once, monkeypatch):
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", frames_at_once * 3 * 3 * 3 * 3 * 8)
    run, true = make_runs(WATER)
    asked = []

    def counted(positions):
        asked.append(positions.shape[1])
        return potential(positions)

    judged = evaluate_rollouts({"f = 0": run}, true, counted, **keywords(WATER), energy_every=every)
    n_energies = 1 + 499 // every
    assert sum(asked) == 2 * n_energies
    thin = [every_kth(source, first=499 % every, every=every) for source in (run, true)]
    expected, everything = evaluate(WATER, *thin), evaluate(WATER, run, true)
    for name in ("energy_error_median", "energy_error_worst", "energy_drift_meV_per_atom_per_ps"):
        assert judged.scores["f = 0"][name] == pytest.approx(expected.scores["f = 0"][name], rel=1e-9), name
    for name in ("vacf_error", "line_shift_cm1", "bond_wasserstein_A", "vibrational_kinetic_error"):
        assert judged.scores["f = 0"][name] == everything.scores["f = 0"][name], name
    first_ps = (499 % every) * DT_FS / 1000
    ours, theirs = judged.curves.energy_ref, expected.curves.energy_ref
    torch.testing.assert_close(ours.kinetic, theirs.kinetic)
    torch.testing.assert_close(ours.potential, theirs.potential)
    torch.testing.assert_close(ours.time_ps, theirs.time_ps + first_ps)


def test_drift_is_in_units_of_the_spread_of_all_kinetic_energies():
    run, true = make_runs(WATER)
    judged = evaluate(WATER, run, true, energy_every=5).scores["f = 0"]
    kinetic = kinetic_energy(run.velocities, WATER.masses)
    total = (potential(run.positions) + kinetic)[:, 4::5]
    time = torch.arange(100, dtype=torch.float64) - 49.5
    slopes = (total - total.mean(dim=1, keepdim=True)) @ time / time.square().sum()
    expected = (slopes * 99).abs() / kinetic.std(dim=1, correction=0)
    assert judged["drift_over_std_kinetic"] == pytest.approx(float(expected.median()), rel=1e-9)


@pytest.mark.parametrize("every", [0, -1])
def test_an_interval_below_one_is_refused(every):
    with pytest.raises(ConfigError, match=f"energy_every = {every} must be at least 1"):
        EnergySampling(10, 0.5, every)


def test_one_energy_is_too_few():
    with pytest.raises(ConfigError, match="energy_every = 10 leaves one energy in 10 evaluated frames"):
        EnergySampling(10, 0.5, 10)


def test_a_replica_without_an_energy_is_lost_and_asked_for_no_more():
    asked = []

    def picky(positions):
        energies = potential(positions)
        asked.append(positions.isfinite().flatten(1).any(dim=1).tolist())
        return energies.where(energies <= 0.6, math.nan)

    run, true = make_runs(WATER)
    run.positions[1, 200, 1] += 3.0
    judged = evaluate(WATER, run, true, run_potential=picky)
    assert judged.scores["f = 0"]["diverged_replicas"] == 1
    assert asked[0] == [True] * len(run.positions)
