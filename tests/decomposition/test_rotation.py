import pytest
import torch
from contracts.decomposition import few_examples, numbers, rotations
from hypothesis import given
from hypothesis import strategies as st

from mlmd.decomposition import rotation
from mlmd.decomposition.rotation import cofactors, nearest_rotation, solve

# From the most to the least spread of a molecule's atoms, with their masses: C8H18 has 30, its cross-section squared.
LARGEST_CONDITION = 1000.0


@st.composite
def covariances(draw, *, planar: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """C = U S V^T with the rotation nearest to it."""
    left, right = draw(rotations()), draw(rotations())
    middle = draw(st.floats(1.0 / LARGEST_CONDITION, 1.0))
    sizes = torch.tensor([1.0, middle, 0.0 if planar else middle * draw(st.floats(0.0, 1.0))], dtype=torch.float64)
    # A mirror image is nearer to the reference than what it is the image of only where it is flat.
    sign = draw(st.sampled_from([1.0, -1.0])) if sizes[2] < 0.3 * middle else 1.0
    signs = torch.tensor([1.0, 1.0, sign], dtype=torch.float64)
    size = draw(st.sampled_from([1e-3, 1.0, 1e4]))
    return size * left @ torch.diag(sizes * signs) @ right.mT, left @ right.mT


@pytest.mark.parametrize("planar", [False, True])
@few_examples
@given(data=st.data())
def test_is_the_rotation_of_the_singular_vectors(planar, data):
    covariance, expected = data.draw(covariances(planar=planar))
    found = nearest_rotation(covariance)
    unit = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(found @ found.mT, unit, rtol=0, atol=1e-14)
    # The angle is as good as round-off of C over its second singular value.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15 * LARGEST_CONDITION)


@few_examples
@given(data=st.data())
def test_the_iterations_are_enough_and_not_one_too_many(data):
    covariance, _ = data.draw(covariances(planar=True))
    few = nearest_rotation(covariance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rotation, "N_ITERATIONS", rotation.N_ITERATIONS + 3)
        many = nearest_rotation(covariance)
        patch.setattr(rotation, "N_ITERATIONS", rotation.N_SCALED_ITERATIONS + 1)
        rough = nearest_rotation(torch.diag(torch.tensor([1.0, 0.3, 0.0], dtype=torch.float64)))
    torch.testing.assert_close(few, many, rtol=0, atol=1e-14)
    assert float((rough - torch.eye(3, dtype=torch.float64)).abs().max()) > 1e-9


@few_examples
@given(matrix=numbers(3, 3), vector=numbers(3))
def test_cofactors_and_solutions(matrix, vector):
    determinant = torch.linalg.det(matrix)
    unit = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(matrix @ cofactors(matrix).mT, determinant * unit, rtol=0, atol=1e-14)
    matrix = matrix + 3.0 * unit
    torch.testing.assert_close(solve(matrix, vector), torch.linalg.solve(matrix, vector), rtol=1e-13, atol=1e-14)


def test_atoms_on_a_line_have_no_rotation():
    line = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    assert not bool(nearest_rotation(torch.outer(line, line).expand(2, 3, 3)).isfinite().any())
