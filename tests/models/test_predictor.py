import itertools

import pytest
import torch

from mlmd.propagation import Propagator, reference_dynamics
from mlmd.systems import VibratingRegime

COMPONENTS = {"3lab": ("cartesian", "lab"), "3mol": ("cartesian", "molecule"), "D": ("molecular", "lab")}
MEMORIES = {
    "carried": {"memory_kind": "carried", "memory_warmup": 7},
    "window": {"memory_kind": "window", "memory_length": 5},
}
VARIANTS = [
    pytest.param(
        {"components": COMPONENTS[kind][0], "frame": COMPONENTS[kind][1], "target": target, "coordinate_frames": R}
        | MEMORIES[memory],
        id=f"{kind}-{target}-R{R}-{memory}",
    )
    for kind, target, R, memory in itertools.product(COMPONENTS, ("velocity", "update"), (0, 1, 2, 3), MEMORIES)
] + [
    pytest.param(
        {"components": COMPONENTS[kind][0], "frame": COMPONENTS[kind][1], "target": "velocity", "shortcut": False},
        id=f"{kind}-velocity-R0-plain",
    )
    for kind in COMPONENTS
]
VARIANTS += [
    pytest.param({"components": COMPONENTS[kind][0], "history": L, "coordinate_frames": R} | MEMORIES[memory], id=name)
    for name, kind, L, R, memory in (
        ("D-history2-R0-carried", "D", 2, 0, "carried"),
        ("D-history3-R2-window", "D", 3, 2, "window"),
        ("3lab-history2-R5-carried", "3lab", 2, 5, "carried"),
    )
]


@pytest.fixture(scope="module")
def run(reference, hcl_morse):
    return reference(hcl_morse, 60)


@torch.no_grad()
def stream(predictor, trajectory):
    """What ``predict`` says at every frame of a trajectory when each step takes its true kick; None early on."""
    state = predictor.initial_state(trajectory.n_replicas)
    predictions = []
    for time in range(len(trajectory)):
        positions, velocities = trajectory.positions[:, time], trajectory.velocities_before[:, time]
        frame = predictor.decomposition.frame(positions, velocities)
        predictions.append(predictor.predict(frame, positions, velocities, state))
        state.last_update = predictor.decomposition.project(frame, trajectory.kicks[:, time])
    return predictions


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_streaming_is_the_sequence(make_predictor, run, variant):
    predictor = make_predictor(run, **variant)
    features, targets = predictor.training_pairs(run)
    assert features.shape == (3, 60 - predictor.n_input_history, predictor.scaling.input_mean.numel())
    assert targets.shape == (3, 60 - predictor.n_input_history, predictor.decomposition.n_components)
    whole = predictor.predict_sequence(features)
    assert whole.shape[1] == 60 - predictor.n_history
    spoken = whole - predictor.scaling.linear(features)[:, predictor.memory.n_skipped :]
    assert float(spoken.abs().max()) > 1e-8  # far above the tolerance below
    if not predictor.predicts_update:
        frame = predictor.decomposition.frame(run.positions, run.velocities_before)
        whole = whole - predictor.decomposition.project(frame, run.velocities_before)[:, predictor.n_history :]
    predictions = stream(predictor, run)
    assert all(components is None for components in predictions[: predictor.n_input_history])
    streamed = torch.stack(predictions[predictor.n_history :], dim=1)
    torch.testing.assert_close(streamed, whole, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("R", "memory", "n_history"),
    [(0, "carried", 8), (1, "carried", 8), (2, "carried", 8), (3, "carried", 9), (0, "window", 5), (3, "window", 6)],
)
def test_history_that_must_be_seen(make_predictor, run, R, memory, n_history):
    assert make_predictor(run, coordinate_frames=R, **MEMORIES[memory]).n_history == n_history


@pytest.mark.parametrize(("R", "history", "n_history"), [(0, 1, 8), (0, 4, 11), (3, 4, 11), (6, 4, 12)])
def test_pairs_that_must_be_seen_as_well(make_predictor, run, R, history, n_history):
    changes = {"coordinate_frames": R, "history": history}
    assert make_predictor(run, **MEMORIES["carried"], **changes).n_history == n_history
    assert make_predictor(run, network=False, **changes).n_history == n_history - 7


@pytest.mark.parametrize("shortcut", [True, False])
@pytest.mark.parametrize("target", ["velocity", "update"])
@pytest.mark.parametrize("kind", COMPONENTS)
def test_targets_are_the_true_kicks(make_predictor, run, kind, target, shortcut):
    components, frame_name = COMPONENTS[kind]
    predictor = make_predictor(run, components=components, frame=frame_name, target=target, shortcut=shortcut)
    assert predictor.predicts_update == (target == "update" or shortcut)
    decomposition = predictor.decomposition
    _, targets = predictor.training_pairs(run)
    frame = decomposition.frame(run.positions, run.velocities_before)
    if not predictor.predicts_update:
        targets = targets - decomposition.project(frame, run.velocities_before)[:, 1:]
    frame_from_one = decomposition.frame(run.positions[:, 1:], run.velocities_before[:, 1:])
    # A bond force has no other part than the one that any of these decompositions can say.
    torch.testing.assert_close(decomposition.decode(frame_from_one, targets), run.kicks[:, 1:], rtol=0, atol=1e-15)


@torch.no_grad()
def test_r0_in_the_lab_frame_reads_no_positions_and_r1_does(make_predictor, run):
    positions, velocities = run.positions[:, 10], run.velocities_before[:, 10]

    def says(R, positions):
        predictor = make_predictor(run, components="cartesian", coordinate_frames=R)
        state = predictor.initial_state(3)
        frame = predictor.decomposition.frame(positions, velocities)
        state.last_update = predictor.decomposition.project(frame, run.kicks[:, 9])
        return predictor.predict(frame, positions, velocities, state)

    assert torch.equal(says(0, positions), says(0, 1.1 * positions))
    assert not torch.equal(says(1, positions), says(1, 1.1 * positions))
    torch.testing.assert_close(says(1, positions), says(1, positions + 3.0), rtol=0, atol=1e-13)


@pytest.mark.parametrize("R", [1, 2, 3])
def test_coordinate_frames_are_the_latest_newest_first(make_predictor, run, R):
    predictor = make_predictor(run, coordinate_frames=R)
    features, _ = predictor.training_pairs(run)
    lengths = (run.positions[:, :, 1] - run.positions[:, :, 0]).norm(dim=-1)
    for index in range(features.shape[1]):
        n = index + predictor.n_input_history
        torch.testing.assert_close(features[:, index, -R:], torch.stack([lengths[:, n - back] for back in range(R)], 1))


def test_the_last_update_is_the_one_before(make_predictor, run):
    predictor = make_predictor(run, components="cartesian")
    features, _ = predictor.training_pairs(run)
    assert torch.equal(features[:, :, :6], run.velocities_before[:, 1:].flatten(-2))
    assert torch.equal(features[:, :, 6:], run.kicks[:, :-1].flatten(-2))


@pytest.mark.parametrize("target", ["velocity", "update"])
def test_the_shortcut_is_exact_for_a_harmonic_bond(make_predictor, reference, hcl_harmonic, target):
    run = reference(hcl_harmonic, 80)
    predictor = make_predictor(run, target=target)
    assert predictor.scaling.n_learned == 0
    other = reference(hcl_harmonic, 60, n_replicas=5)
    features, targets = predictor.training_pairs(other)
    with torch.no_grad():
        predicted = predictor.predict_sequence(features)
    expected = targets[:, predictor.memory.n_skipped :]
    torch.testing.assert_close(predicted, expected, rtol=0, atol=1e-13 * float(run.velocities.abs().max()) * 10)


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("target", ["velocity", "update"])
@torch.no_grad()
def test_lab_frame_kicks_carry_no_momentum_where_training_kicks_have_none(
    make_predictor, run, reference, hcl_morse, noise, target
):
    predictor = make_predictor(run, components="cartesian", target=target, noise=noise)
    predictions = torch.stack(stream(predictor, reference(hcl_morse, 40, n_replicas=6))[1:], dim=1)
    masses = hcl_morse.masses()[:, None]
    momenta = (masses * predictions.unflatten(-1, (2, 3))).sum(dim=-2)
    scale = float((masses * predictions.unflatten(-1, (2, 3))).abs().max())
    assert scale > 1e-3
    assert float(momenta.abs().max()) < 1e-11 * scale


@pytest.mark.parametrize("history", [1, 3])
@pytest.mark.parametrize("memory", MEMORIES)
@torch.no_grad()
def test_a_stored_state_goes_on_as_if_never_stopped(make_predictor, run, memory, history, tmp_path):
    predictor = make_predictor(run, coordinate_frames=2, history=history, **MEMORIES[memory])

    def steps(state, start, stop):
        predictions = []
        for time in range(start, stop):
            positions, velocities = run.positions[:, time], run.velocities_before[:, time]
            frame = predictor.decomposition.frame(positions, velocities)
            predictions.append(predictor.predict(frame, positions, velocities, state))
            state.last_update = predictor.decomposition.project(frame, run.kicks[:, time])
        return predictions

    whole = steps(predictor.initial_state(3), 0, 30)
    for stop in (0, 1, 4, 17):
        state = predictor.initial_state(3)
        steps(state, 0, stop)
        torch.save(state.to_dict(), tmp_path / "state")
        again = type(state).from_dict(torch.load(tmp_path / "state", weights_only=True))
        for ours, theirs in zip(steps(again, stop, 30), whole[stop:], strict=True):
            assert (ours is None and theirs is None) or torch.equal(ours, theirs)


def test_states_without_rotation_give_finite_numbers(make_predictor, hcl_morse):
    generator = torch.Generator().manual_seed(2)
    states = VibratingRegime(4.0).draw(hcl_morse, 3, generator=generator)
    run = Propagator.begin(reference_dynamics(hcl_morse), *states).advance(60)
    for components, frame in COMPONENTS.values():
        predictor = make_predictor(run, components=components, frame=frame)
        assert all(bool(tensor.isfinite().all()) for tensor in predictor.training_pairs(run))
        assert all(each is None or bool(each.isfinite().all()) for each in stream(predictor, run))
