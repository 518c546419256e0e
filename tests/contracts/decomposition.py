import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from mlmd.decomposition import Decomposition

MASSES = (1.0078250319, 34.968852694)
DT_FS = 0.5

# A contract's tests run once for every subclass, on purpose.
few_examples = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


def numbers(*shape: int, size: float = 1.0) -> st.SearchStrategy[Tensor]:
    """Tensors of the given shape with entries in [-size, size] and no denormal numbers."""
    count = 1
    for length in shape:
        count *= length
    entry = st.floats(-1.0, 1.0).map(lambda value: round(value, 9))
    return st.lists(entry, min_size=count, max_size=count).map(
        lambda values: size * torch.tensor(values, dtype=torch.float64).reshape(shape)
    )


def directions() -> st.SearchStrategy[Tensor]:
    """Unit vectors, [xyz]."""
    return numbers(3).filter(lambda vector: vector.norm() > 0.1).map(lambda vector: vector / vector.norm())


@st.composite
def rotations(draw) -> Tensor:
    """Proper rotations, [3, 3]."""
    first, second = draw(directions()), draw(directions())
    across = second - (second @ first) * first
    # Parallel draws: any vector across will do.
    if across.norm() < 1e-2:
        across = torch.linalg.cross(first, torch.roll(first, 1) + torch.tensor([0.3, 0.1, 0.7], dtype=torch.float64))
    across = across / across.norm()
    return torch.stack((first, across, torch.linalg.cross(first, across)))


@st.composite
def motions(draw, *, turning: bool = False) -> tuple[Tensor, Tensor]:
    """Positions and velocities of two atoms, [2, xyz]; ``turning``: with some velocity across the bond."""
    length = draw(st.floats(0.7, 3.0))
    axis = draw(directions())
    relative = draw(numbers(3, size=0.05))
    if turning:
        across = torch.linalg.cross(axis, draw(directions()))
        relative = relative - (relative @ axis) * axis * 0.5 + 0.05 * across
        if (relative - (relative @ axis) * axis).norm() < 1e-3:
            relative = relative + 0.02 * torch.linalg.cross(axis, torch.roll(axis, 1) + 0.3)
    shares = torch.tensor([[-MASSES[1]], [MASSES[0]]], dtype=torch.float64) / sum(MASSES)
    positions = draw(numbers(3, size=5.0)) + length * shares * axis
    velocities = draw(numbers(3, size=0.01)) + shares * relative
    return positions, velocities


@st.composite
def straight_motions(draw) -> tuple[Tensor, Tensor]:
    """Two atoms that move along their bond: J = 0 up to the round-off of a long run, fast, slow or at rest."""
    axis = draw(directions())
    speed = draw(st.sampled_from([0.0, 1e-12, 1e-6, -1e-3, 0.05]))
    stray = draw(st.sampled_from([0.0, 1e-18, 1e-16, 1e-15, 1e-13])) * draw(directions())
    shares = torch.tensor([[-MASSES[1]], [MASSES[0]]], dtype=torch.float64) / sum(MASSES)
    return 1.3 * shares * axis, shares * (speed * axis + stray)


class DecompositionContract:
    """Every decomposition: decode after project is the identity on what it represents, for any leading axes."""

    def make(self) -> Decomposition:
        raise NotImplementedError  # each subclass makes its own

    def represented(self, positions: Tensor, vectors: Tensor) -> Tensor:
        """The part of any velocity change [2, xyz] that the components of this decomposition can say."""
        raise NotImplementedError

    @few_examples
    @given(motion=motions(), data=st.data())
    def test_project_after_decode_is_the_identity(self, motion, data):
        decomposition = self.make()
        frame = decomposition.frame(*motion)
        components = data.draw(numbers(decomposition.n_components, size=0.1))
        again = decomposition.project(frame, decomposition.decode(frame, components))
        torch.testing.assert_close(again, components, rtol=0, atol=1e-15)

    @few_examples
    @given(motion=motions(), vectors=numbers(2, 3, size=0.1))
    def test_decode_after_project_is_the_identity_on_what_it_represents(self, motion, vectors):
        decomposition = self.make()
        frame = decomposition.frame(*motion)
        kick = self.represented(motion[0], vectors)
        again = decomposition.decode(frame, decomposition.project(frame, kick))
        torch.testing.assert_close(again, kick, rtol=0, atol=1e-15)

    @few_examples
    @given(motion=straight_motions(), data=st.data())
    def test_motion_along_the_bond_is_as_good_as_any(self, motion, data):
        decomposition = self.make()
        frame = decomposition.frame(*motion)
        assert bool(decomposition.encode(frame, motion[1]).isfinite().all())
        assert bool(decomposition.coordinates(frame, motion[0]).isfinite().all())
        components = data.draw(numbers(decomposition.n_components, size=0.1))
        again = decomposition.project(frame, decomposition.decode(frame, components))
        torch.testing.assert_close(again, components, rtol=0, atol=1e-15)

    @few_examples
    @given(motion=motions(), vectors=numbers(2, 3, size=0.1))
    def test_shapes_are_the_declared_ones_and_leading_axes_are_free(self, motion, vectors):
        decomposition = self.make()

        def everything(positions, velocities, kicks):
            frame = decomposition.frame(positions, velocities)
            components = decomposition.project(frame, kicks)
            return (
                decomposition.encode(frame, velocities),
                components,
                decomposition.coordinates(frame, positions),
                decomposition.decode(frame, components),
            )

        single = everything(*motion, vectors)
        sizes = (decomposition.n_features, decomposition.n_components, decomposition.n_coordinates)
        assert tuple(result.shape for result in single[:3]) == tuple((size,) for size in sizes)
        batch = everything(*(tensor.expand(2, 3, 2, 3) for tensor in (*motion, vectors)))
        for one, many in zip(single, batch, strict=True):
            torch.testing.assert_close(many, one.expand(2, 3, *one.shape), rtol=0, atol=1e-15)

    @few_examples
    @given(motion=motions(), step=numbers(3, size=10.0))
    def test_a_translation_changes_no_number(self, motion, step):
        decomposition = self.make()
        positions, velocities = motion
        here, there = decomposition.frame(*motion), decomposition.frame(positions + step, velocities)
        for ours, theirs in (
            (decomposition.encode(here, velocities), decomposition.encode(there, velocities)),
            (decomposition.coordinates(here, positions), decomposition.coordinates(there, positions + step)),
        ):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


class TurningContract(DecompositionContract):
    """Decompositions in the molecule's own frame: numbers do not turn, kicks do."""

    @few_examples
    @given(motion=motions(turning=True), rotation=rotations(), kick=numbers(2, 3, size=0.1))
    def test_numbers_do_not_turn_and_kicks_do(self, motion, rotation, kick):
        decomposition = self.make()
        positions, velocities = motion
        turned = positions @ rotation.mT, velocities @ rotation.mT
        here, there = decomposition.frame(*motion), decomposition.frame(*turned)
        close = {"rtol": 0, "atol": 1e-12}  # an across velocity of 1e-3 A/fs out of 5 A magnifies round-off
        torch.testing.assert_close(
            decomposition.encode(there, turned[1]), decomposition.encode(here, velocities), **close
        )
        torch.testing.assert_close(
            decomposition.coordinates(there, turned[0]), decomposition.coordinates(here, positions), **close
        )
        components = decomposition.project(here, kick)
        torch.testing.assert_close(decomposition.project(there, kick @ rotation.mT), components, **close)
        torch.testing.assert_close(
            decomposition.decode(there, components), decomposition.decode(here, components) @ rotation.mT, **close
        )
