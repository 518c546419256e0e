import pytest
import torch
from contracts.decomposition import DT_FS, MASSES, TurningContract, few_examples, motions, numbers, rotations
from hypothesis import given

from mlmd.decomposition import DiatomicVibration
from mlmd.errors import ConfigError

M = torch.tensor(MASSES, dtype=torch.float64).unsqueeze(-1)


class TestDiatomicVibration(TurningContract):
    def make(self):
        return DiatomicVibration(MASSES, DT_FS)

    def represented(self, positions, vectors):
        axis = torch.nn.functional.normalize(positions[1] - positions[0], dim=-1)
        relative = ((vectors[1] - vectors[0]) @ axis) * axis
        return torch.stack((-MASSES[1] * relative, MASSES[0] * relative)) / sum(MASSES)

    @few_examples
    @given(motion=motions(), component=numbers(1, size=0.1))
    def test_a_kick_carries_no_momentum_and_no_torque(self, motion, component):
        decomposition = self.make()
        kick = decomposition.decode(decomposition.frame(*motion), component)
        assert float((M * kick).sum(dim=0).abs().max()) <= 1e-15
        torque = torch.linalg.cross(motion[0], M * kick).sum(dim=0)
        assert float(torque.abs().max()) <= 1e-14  # arms of up to 10 A
        assert float((kick[1] - kick[0]).norm()) == pytest.approx(abs(float(component)), abs=1e-16)

    @few_examples
    @given(motion=motions(turning=True), boost=numbers(3, size=0.1), rotation=rotations())
    def test_a_boost_changes_no_number(self, motion, boost, rotation):
        decomposition = self.make()
        positions, velocities = motion
        here, there = decomposition.frame(*motion), decomposition.frame(positions, velocities + boost)
        ours, theirs = decomposition.encode(here, velocities), decomposition.encode(there, velocities + boost)
        torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-14)
        all_at_once = (positions + boost) @ rotation.mT, (velocities + boost) @ rotation.mT
        there = decomposition.frame(*all_at_once)
        torch.testing.assert_close(decomposition.encode(there, all_at_once[1]), ours, rtol=0, atol=1e-13)

    @few_examples
    @given(motion=motions(), vectors=numbers(2, 3, size=0.1))
    def test_the_order_of_the_atoms_does_not_matter(self, motion, vectors):
        ours, theirs = self.make(), DiatomicVibration(MASSES[::-1], DT_FS)
        here, there = ours.frame(*motion), theirs.frame(*(tensor.flip(0) for tensor in motion))
        positions, velocities = motion
        close = {"rtol": 0, "atol": 1e-15}
        torch.testing.assert_close(theirs.encode(there, velocities.flip(0)), ours.encode(here, velocities), **close)
        torch.testing.assert_close(
            theirs.coordinates(there, positions.flip(0)), ours.coordinates(here, positions), **close
        )
        components = ours.project(here, vectors)
        torch.testing.assert_close(theirs.project(there, vectors.flip(0)), components, **close)
        torch.testing.assert_close(theirs.decode(there, components), ours.decode(here, components).flip(0), **close)

    @few_examples
    @given(motion=motions())
    def test_features_are_the_rates_of_the_bond(self, motion):
        positions, velocities = motion
        features = self.make().encode(self.make().frame(*motion), velocities)
        bond, relative = positions[1] - positions[0], velocities[1] - velocities[0]
        before = bond - DT_FS * relative
        rate = (bond.norm() - before.norm()) / DT_FS
        across = torch.linalg.cross(bond, relative).norm() / bond.norm()
        expected = torch.stack((rate, across))
        torch.testing.assert_close(features, expected, rtol=0, atol=2e-14)  # a difference of 3 A over 0.5 fs

    def test_coordinate_is_the_bond_length(self):
        positions = torch.tensor([[[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]]], dtype=torch.float64)
        frame = self.make().frame(positions, torch.zeros_like(positions))
        assert self.make().coordinates(frame, positions).tolist() == [[5.0]]

    @pytest.mark.parametrize("masses_u", [(1.0,), (1.0, 16.0, 1.0)])
    def test_other_than_two_atoms_are_refused(self, masses_u):
        with pytest.raises(ConfigError, match=f"molecular is for two atoms, this system has {len(masses_u)}"):
            DiatomicVibration(masses_u, DT_FS)
