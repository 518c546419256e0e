"""Runs that are read chunk by chunk get the scores that the oracle computes from whole trajectories."""

import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.oracle import oracle_scores, window_frames
from mlmd.errors import DataError
from mlmd.evaluation import chunked_frames
from mlmd.evaluation.curves import merge_curves
from mlmd.evaluation.evaluate import evaluate_rollouts
from mlmd.observables import (
    accumulators,
    bond_lengths,
    bond_velocity,
    energy_error_along,
    kinetic_energy,
    power_spectrum,
    vacf,
)
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.state import Trajectory


@pytest.fixture(scope="module")
def runs(hcl_morse, hcl_harmonic, rotating_states):
    """A harmonic bond that is shaken, against a Morse bond: every score is far from zero."""

    def propagate(system, n_replicas):
        propagator = Propagator.begin(reference_dynamics(system), *rotating_states(hcl_morse, n_replicas))
        return propagator.advance(700)

    run = propagate(hcl_harmonic, 5)
    noise = torch.randn(run.velocities.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Trajectory(run.steps, run.positions, run.velocities + 1e-4 * noise, run.kicks), propagate(hcl_morse, 5)


@pytest.fixture
def evaluate(hcl_morse):
    def run(rollout, reference, **changes):
        return evaluate_rollouts({"f = 0": rollout}, reference, *arguments(hcl_morse), **keywords(hcl_morse) | changes)

    return run


def arguments(system):
    return (lambda positions: system.hamiltonian.energy_and_forces(positions)[0],)


def keywords(system):
    return {"masses": system.masses(), "dt_fs": system.dt_fs, "period_fs": system.period_fs}


def whole(system, rollout, reference):
    (potential,) = arguments(system)
    return oracle_scores(
        rollout, reference, potential(rollout.positions), potential(reference.positions), **keywords(system)
    )


def assert_same_scores(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-9, abs=1e-13, nan_ok=True), name


@pytest.mark.parametrize("frames_at_once", [7, 233, 699, 700])
@pytest.mark.parametrize("replicas_at_once", [2, 5])
def test_scores_are_those_of_the_whole(runs, evaluate, hcl_morse, monkeypatch, frames_at_once, replicas_at_once):
    monkeypatch.setattr(chunked_frames, "GROUP_REPLICAS", replicas_at_once)
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", frames_at_once * replicas_at_once * 144)
    expected = whole(hcl_morse, *runs)
    assert all(abs(value) > 1e-6 for name, value in expected.items() if name != "diverged_replicas")
    assert_same_scores(evaluate(*runs).scores["f = 0"], expected)


@settings(max_examples=40)
@given(n_frames=st.integers(2, 120), first=st.integers(0, 40), chunk=st.integers(1, 50))
def test_runs_of_any_length_from_any_frame(runs, evaluate_from, n_frames, first, chunk):
    rollout, reference = (run.frames(0, first + n_frames) for run in runs)
    evaluate_from(rollout, reference, first, chunk)


@pytest.fixture(scope="module")
def evaluate_from(hcl_morse):
    def compare(rollout, reference, first, chunk):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunked_frames, "CHUNK_BYTES", chunk * 5 * 144)
            judged = evaluate_rollouts(
                {"f = 0": rollout}, reference, *arguments(hcl_morse), **keywords(hcl_morse), first=first
            )
        judged_whole = (run.frames(first, len(run)) for run in (rollout, reference))
        assert_same_scores(judged.scores["f = 0"], whole(hcl_morse, *judged_whole))

    return compare


@pytest.mark.parametrize("lost", [{1: 350}, {0: 0, 4: 699}, {2: 3, 3: 400}, dict.fromkeys(range(5), 600)])
@pytest.mark.parametrize("replicas_at_once", [2, 32])
def test_diverged_replicas_count_as_in_the_whole(runs, evaluate, hcl_morse, monkeypatch, lost, replicas_at_once):
    monkeypatch.setattr(chunked_frames, "GROUP_REPLICAS", replicas_at_once)
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 100 * replicas_at_once * 144)
    rollout = Trajectory(runs[0].steps, runs[0].positions.clone(), runs[0].velocities.clone(), runs[0].kicks)
    for replica, frame in lost.items():
        for tensor in (rollout.positions, rollout.velocities):
            tensor[replica, frame:] = math.nan
    judged = evaluate(rollout, runs[1])
    assert_same_scores(judged.scores["f = 0"], whole(hcl_morse, rollout, runs[1]))
    view = judged.curves.bonds["f = 0"]
    assert (view.n_replicas, view.n_diverged) == (5, len(lost))
    assert bool(judged.curves.dynamics["f = 0"].power.isnan().all()) == (len(lost) == 5)
    assert bool(judged.curves.dynamics_ref.power.isfinite().all())


def test_curves_are_those_of_the_whole(runs, evaluate, hcl_morse, monkeypatch):
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 100 * 5 * 144)
    rollout, reference = runs
    curves = evaluate(*runs).curves
    (potential,) = arguments(hcl_morse)
    total, total_ref = (potential(run.positions) + kinetic_energy(run.velocities, hcl_morse.masses()) for run in runs)
    window = window_frames(hcl_morse.period_fs, 0.5, 700)
    centres, errors = energy_error_along(total, total_ref, window_frames=window)
    time_ps, ours = curves.energy_errors["f = 0"]
    torch.testing.assert_close(time_ps, 0.5e-3 * centres)
    torch.testing.assert_close(ours, errors, rtol=1e-10, atol=0)
    assert curves.lag_fs.tolist() == [0.5 * lag for lag in range(350)]
    for view, run in ((curves.dynamics_ref, reference), (curves.dynamics["f = 0"], rollout)):
        torch.testing.assert_close(view.correlation, vacf(run.velocities, hcl_morse.masses(), 350), rtol=0, atol=1e-13)
        wavenumbers, power = power_spectrum(bond_velocity(run.positions, run.velocities), 0.5)
        torch.testing.assert_close(view.power, power, rtol=1e-12, atol=0)
        torch.testing.assert_close(curves.wavenumbers, wavenumbers)
    for view, run in ((curves.bond_ref, reference), (curves.bonds["f = 0"], rollout)):
        lengths = bond_lengths(run.positions)
        assert view.time_fs.tolist() == [0.5 * frame for frame in range(499, 700)]
        assert torch.equal(view.lengths, lengths[0, 499:])
        assert view.first_range == (float(lengths[0].min()), float(lengths[0].max()))
        inside = ((lengths >= view.edges[0]) & (lengths <= view.edges[-1])).double().mean()
        assert float((view.density * view.edges.diff()).sum()) == pytest.approx(float(inside), rel=1e-12)
    reach = bond_lengths(reference.positions)
    third = float(reach.max() - reach.min()) / 3
    assert curves.bond_ref.edges[[0, -1]].tolist() == pytest.approx(
        [float(reach.min()) - third, float(reach.max()) + third]
    )


def test_energies_in_windows_and_replicas_are_those_of_the_whole(runs, evaluate, hcl_morse, monkeypatch):
    monkeypatch.setattr(chunked_frames, "GROUP_REPLICAS", 2)
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 100 * 2 * 144)
    judged = evaluate(*runs, first=20)
    curves, (potential,) = judged.curves, arguments(hcl_morse)
    window = window_frames(hcl_morse.period_fs, 0.5, 680)
    for view, run in ((curves.energies["f = 0"], runs[0]), (curves.energy_ref, runs[1])):
        n_windows = 680 // window
        ends = slice(700 - n_windows * window, None)
        for ours, energy in (
            (view.potential, potential(run.positions)),
            (view.kinetic, kinetic_energy(run.velocities, hcl_morse.masses())),
        ):
            means = energy[:, ends].reshape(5, n_windows, window).mean(dim=-1)
            torch.testing.assert_close(ours, means, rtol=1e-9, atol=1e-13)
        assert torch.equal(view.time_ps, curves.energy_errors["f = 0"][0])
    true = runs[1].frames(20, 700)
    total = potential(true.positions) + kinetic_energy(true.velocities, hcl_morse.masses())
    torch.testing.assert_close(curves.start.energy, total.mean(dim=1))
    torch.testing.assert_close(curves.start.bond_length, bond_lengths(true.positions)[:, 0])
    torch.testing.assert_close(curves.start.bond_velocity, bond_velocity(true.positions, true.velocities)[:, 0])
    errors = curves.end_errors["f = 0"]
    assert judged.scores["f = 0"]["energy_error_worst"] == float(errors.max())
    assert torch.equal(errors, curves.energy_errors["f = 0"][1][:, -1])


def test_a_replica_that_is_lost_and_comes_back_ends_with_no_energy(runs, evaluate):
    rollout = Trajectory(runs[0].steps, runs[0].positions.clone(), runs[0].velocities, runs[0].kicks)
    rollout.positions[1, 3] = math.nan
    curves = evaluate(rollout, runs[1]).curves
    assert curves.end_errors["f = 0"].isinf().tolist() == [False, True, False, False, False]


def test_runs_judged_one_by_one_are_drawn_together(runs, hcl_morse):
    rollout, reference = runs
    sources = {"shaken": rollout, "true": reference}

    def judge(chosen):
        return evaluate_rollouts(chosen, reference, *arguments(hcl_morse), **keywords(hcl_morse))

    together = judge(sources)
    alone = {name: judge({name: run}) for name, run in sources.items()}
    merged = merge_curves([each.curves for each in alone.values()])
    for name in sources:
        assert_same_scores(alone[name].scores[name], together.scores[name])
    assert str(merged) == str(together.curves)


def test_more_windows_than_fit_a_figure_are_thinned_from_the_end(runs, evaluate, monkeypatch, hcl_morse):
    short = {"period_fs": hcl_morse.period_fs / 10}
    every = evaluate(*runs, **short).curves.energy_errors["f = 0"]
    assert len(every[0]) == 31
    monkeypatch.setattr(accumulators, "MAX_WINDOWS", 10)
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 30 * 5 * 144)
    for ours, all_windows in zip(evaluate(*runs, **short).curves.energy_errors["f = 0"], every, strict=True):
        torch.testing.assert_close(ours, all_windows[..., 2::4], rtol=1e-10, atol=0)


def test_large_samples_are_compared_within_a_bin(runs, evaluate, monkeypatch):
    exact = evaluate(*runs).scores["f = 0"]["bond_wasserstein_A"]
    monkeypatch.setattr(accumulators, "EXACT_VALUES", 100)
    lengths = torch.cat([bond_lengths(run.positions).flatten() for run in runs])
    for n_bins in (2**20, 1000):
        monkeypatch.setattr(accumulators, "N_BINS", n_bins)
        bin_A = float(lengths.max() - lengths.min()) / n_bins
        assert abs(evaluate(*runs).scores["f = 0"]["bond_wasserstein_A"] - exact) < bin_A
    assert evaluate(runs[0], runs[0]).scores["f = 0"]["bond_wasserstein_A"] == 0


def test_large_samples_of_one_number_are_no_error(monkeypatch):
    monkeypatch.setattr(accumulators, "EXACT_VALUES", 1)
    distance = accumulators.SampleDistance(3, 1.27, 1.27)
    distance.update(torch.full((3,), 1.27, dtype=torch.float64), torch.full((3,), 1.27, dtype=torch.float64))
    assert distance.value == 0


def test_long_spectra_are_means_over_the_last_segments(runs, evaluate, monkeypatch):
    monkeypatch.setattr(accumulators, "SEGMENT_FRAMES", 150)
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 70 * 5 * 144)
    curves = evaluate(*runs).curves
    signal = bond_velocity(runs[0].positions, runs[0].velocities)
    segments = [power_spectrum(signal[:, start : start + 150], 0.5)[1] for start in (100, 250, 400, 550)]
    torch.testing.assert_close(curves.dynamics["f = 0"].power, torch.stack(segments).mean(dim=0), rtol=1e-12, atol=0)


class Counting:
    """Frames of a run, which knows how many of them are alive at once."""

    def __init__(self, run: Trajectory) -> None:
        self.run, self.alive, self.most = run, 0, 0

    def __len__(self) -> int:
        return len(self.run)

    @property
    def n_replicas(self) -> int:
        return self.run.n_replicas

    def frames(self, start: int, stop: int, replicas: slice = slice(None)) -> Trajectory:
        taken = self.run.frames(start, stop, replicas)
        copy = Trajectory(taken.steps, taken.positions.clone(), taken.velocities.clone(), taken.kicks.clone())
        self.alive += len(copy)
        self.most = max(self.most, self.alive)
        weakref.finalize(copy, self._gone, len(copy))
        return copy

    def _gone(self, n_frames: int) -> None:
        self.alive -= n_frames


def test_no_more_than_two_chunks_are_in_memory(runs, evaluate, monkeypatch):
    monkeypatch.setattr(chunked_frames, "CHUNK_BYTES", 10 * 5 * 144)
    for rollout, reference in [[Counting(run) for run in runs]]:
        evaluate(rollout, reference)
        for source in (rollout, reference):
            # The last 100 fs of replica 0, for a figure, are 201 frames.
            assert 10 <= source.most <= 201


def test_runs_that_do_not_belong_together_are_refused(runs, evaluate):
    rollout, reference = runs
    with pytest.raises(DataError, match="f = 0 has 5 replicas and 600 frames, the reference 5 and 700"):
        evaluate(rollout.frames(0, 600), reference)
    with pytest.raises(DataError, match="different steps"):
        evaluate(rollout.frames(0, 600), reference.frames(100, 700))
    uneven = Trajectory(rollout.steps.clone(), rollout.positions, rollout.velocities, rollout.kicks)
    uneven.steps[-1] += 1
    with pytest.raises(DataError, match="not evenly spaced"):
        evaluate(uneven, uneven)
    with pytest.raises(DataError, match="need two frames"):
        evaluate(rollout.frames(0, 1), reference.frames(0, 1))


def test_a_reference_that_is_not_finite_is_refused(runs, evaluate):
    broken = Trajectory(runs[1].steps, runs[1].positions.clone(), runs[1].velocities, runs[1].kicks)
    broken.positions[1, 500] = math.nan
    with pytest.raises(DataError, match="reference holds frames that are not finite"):
        evaluate(runs[0], broken)
