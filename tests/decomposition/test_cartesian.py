import pytest
import torch
from contracts.decomposition import (
    DT_FS,
    MASSES,
    DecompositionContract,
    TurningContract,
    few_examples,
    motions,
    numbers,
)
from hypothesis import given

from mlmd.decomposition import LabCartesian, MolecularFrameCartesian
from mlmd.errors import ConfigError
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.systems import VibratingRegime


class TestLabCartesian(DecompositionContract):
    def make(self):
        return LabCartesian(MASSES)

    def represented(self, positions, vectors):
        return vectors

    def test_numbers_are_the_components_in_order(self):
        decomposition = LabCartesian((1.0, 3.0))
        velocities = torch.arange(6, dtype=torch.float64).reshape(2, 3)
        positions = torch.tensor([[0.0, 0.0, 0.0], [4.0, 0.0, 8.0]], dtype=torch.float64)
        frame = decomposition.frame(positions, velocities)
        assert decomposition.encode(frame, velocities).tolist() == [0, 1, 2, 3, 4, 5]
        assert decomposition.coordinates(frame, positions).tolist() == [-3, 0, -6, 1, 0, 2]

    @pytest.mark.parametrize("n_atoms", [1, 2, 5])
    def test_any_number_of_atoms(self, n_atoms):
        decomposition = LabCartesian((12.0,) * n_atoms)
        vectors = torch.randn(4, n_atoms, 3, dtype=torch.float64)
        frame = decomposition.frame(vectors, vectors)
        assert decomposition.n_features == decomposition.n_components == decomposition.n_coordinates == 3 * n_atoms
        assert torch.equal(decomposition.decode(frame, decomposition.project(frame, vectors)), vectors)


class TestMolecularFrameCartesian(TurningContract):
    def make(self):
        return MolecularFrameCartesian(MASSES, DT_FS)

    def represented(self, positions, vectors):
        return vectors

    @few_examples
    @given(motion=motions())
    def test_axes_are_orthonormal_and_right_handed(self, motion):
        frame = self.make().frame(*motion)
        torch.testing.assert_close(frame.axes @ frame.axes.mT, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-14)
        assert float(torch.linalg.det(frame.axes)) == pytest.approx(1.0, abs=1e-13)

    @few_examples
    @given(motion=motions(turning=True), kick=numbers(2, 3, size=0.1))
    def test_the_first_component_lies_along_the_bond(self, motion, kick):
        decomposition = self.make()
        components = decomposition.project(decomposition.frame(*motion), kick).reshape(2, 3)
        axis = torch.nn.functional.normalize(motion[0][1] - motion[0][0], dim=-1)
        torch.testing.assert_close(components[:, 0], kick @ axis, rtol=0, atol=1e-14)
        torch.testing.assert_close(components.norm(dim=-1), kick.norm(dim=-1), rtol=0, atol=1e-14)

    @few_examples
    @given(motion=motions(turning=True))
    def test_the_relative_motion_lies_in_the_plane_of_the_first_two_axes(self, motion):
        decomposition = self.make()
        features = decomposition.encode(decomposition.frame(*motion), motion[1]).reshape(2, 3)
        relative = features[1] - features[0]
        assert abs(float(relative[2])) < 1e-14
        positions, velocities = motion
        before = positions - DT_FS * velocities
        rate = ((positions[1] - positions[0]).norm() - (before[1] - before[0]).norm()) / DT_FS
        assert float(relative[0]) == pytest.approx(float(rate), abs=1e-14)

    def test_coordinate_is_the_bond_length(self):
        decomposition = self.make()
        positions = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]], dtype=torch.float64)
        frame = decomposition.frame(positions, torch.zeros(2, 3, dtype=torch.float64))
        assert decomposition.coordinates(frame, positions).tolist() == [5.0]

    def test_axes_stay_orthonormal_along_a_run_without_rotation(self, hcl_harmonic):
        generator = torch.Generator().manual_seed(0)
        states = VibratingRegime(4.0).draw(hcl_harmonic, 4, generator=generator)
        propagator = Propagator.begin(reference_dynamics(hcl_harmonic), *states)
        run = propagator.advance(400)
        axes = self.make().frame(run.positions, run.velocities_before).axes
        torch.testing.assert_close(
            axes @ axes.mT, torch.eye(3, dtype=torch.float64).expand(4, 400, 3, 3), rtol=0, atol=1e-14
        )

    @pytest.mark.parametrize("masses_u", [(1.0,), (1.0, 16.0, 1.0)])
    def test_other_than_two_atoms_are_refused(self, masses_u):
        with pytest.raises(ConfigError, match=f"frame=molecule is for two atoms, this system has {len(masses_u)}"):
            MolecularFrameCartesian(masses_u, DT_FS)
