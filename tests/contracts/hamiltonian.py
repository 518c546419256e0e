import math

import pytest
import torch
from torch import Tensor

from mlmd.hamiltonians import BondConstants, Hamiltonian

HCL = BondConstants("HCl", k_eV_per_A2=32.2, r_e_A=1.2746, D_e_eV=4.6)
ROTATION = torch.linalg.matrix_exp(
    torch.tensor([[0.0, -0.3, 0.9], [0.3, 0.0, -1.1], [-0.9, 1.1, 0.0]], dtype=torch.float64)
)


def bonds(lengths: Tensor, *, seed: int = 0) -> Tensor:
    """Positions of two atoms at the given distances, [..., 2, xyz], in random directions about random centres."""
    generator = torch.Generator().manual_seed(seed)
    shape = (*lengths.shape, 3)
    axis = torch.nn.functional.normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)
    centre = torch.randn(shape, generator=generator, dtype=torch.float64)
    half = 0.5 * lengths.unsqueeze(-1) * axis
    return torch.stack((centre - half, centre + half), dim=-2)


class HamiltonianContract:
    """Every Hamiltonian: forces are the slope of the energy, nothing depends on where the molecule stands."""

    def make(self) -> Hamiltonian:
        raise NotImplementedError

    def positions(self) -> Tensor:
        """Some geometries off the minimum, [replica, atom, xyz], A."""
        raise NotImplementedError

    def test_forces_are_the_central_difference_of_the_energy(self):
        hamiltonian, positions, width = self.make(), self.positions(), 1e-5
        _, forces = hamiltonian.energy_and_forces(positions)
        for atom in range(positions.shape[-2]):
            for axis in range(3):
                ahead, behind = positions.clone(), positions.clone()
                ahead[..., atom, axis] += width
                behind[..., atom, axis] -= width
                rise = hamiltonian.energy_and_forces(ahead)[0] - hamiltonian.energy_and_forces(behind)[0]
                torch.testing.assert_close(forces[..., atom, axis], -rise / (2 * width), rtol=1e-7, atol=1e-7)

    def test_translation_changes_nothing(self):
        hamiltonian, positions = self.make(), self.positions()
        energy, forces = hamiltonian.energy_and_forces(positions)
        moved_energy, moved_forces = hamiltonian.energy_and_forces(positions + torch.tensor([3.0, -7.0, 0.5]).double())
        torch.testing.assert_close(moved_energy, energy, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(moved_forces, forces, rtol=1e-11, atol=1e-12)

    def test_forces_turn_with_the_molecule_and_the_energy_does_not(self):
        hamiltonian, positions = self.make(), self.positions()
        energy, forces = hamiltonian.energy_and_forces(positions)
        turned_energy, turned_forces = hamiltonian.energy_and_forces(positions @ ROTATION.mT)
        torch.testing.assert_close(turned_energy, energy, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(turned_forces, forces @ ROTATION.mT, rtol=1e-11, atol=1e-12)

    def test_newtons_third_law(self):
        positions = self.positions()
        _, forces = self.make().energy_and_forces(positions)
        scale = float(forces.abs().max())
        assert scale > 0.1
        assert float(forces.sum(dim=-2).abs().max()) <= 1e-13 * scale
        assert float(torch.linalg.cross(positions, forces).sum(dim=-2).abs().max()) <= 1e-13 * scale

    @pytest.mark.parametrize("leading", [(), (1,), (4,), (2, 3), (0,)])
    def test_leading_axes_are_free(self, leading):
        hamiltonian, single = self.make(), self.positions()[0]
        energy, forces = hamiltonian.energy_and_forces(single.expand(*leading, *single.shape))
        assert energy.shape == leading
        assert forces.shape == (*leading, *single.shape)
        assert energy.dtype == forces.dtype == torch.float64

    def test_replicas_do_not_see_each_other(self):
        hamiltonian, positions = self.make(), self.positions()
        energy, forces = hamiltonian.energy_and_forces(positions)
        for replica in range(len(positions)):
            alone_energy, alone_forces = hamiltonian.energy_and_forces(positions[replica])
            torch.testing.assert_close(energy[replica], alone_energy, rtol=1e-14, atol=0)
            torch.testing.assert_close(forces[replica], alone_forces, rtol=1e-14, atol=0)


class DiatomicBondContract(HamiltonianContract):
    """Every analytic bond: a well of depth zero and curvature k at r_e, whose energy can be inverted."""

    factory: type

    def make(self):
        return self.factory(HCL)

    def positions(self) -> Tensor:
        return bonds(torch.tensor([1.0, 1.2, 1.35, 1.7], dtype=torch.float64))

    def test_no_energy_and_no_force_at_r_e(self):
        energy, forces = self.make().energy_and_forces(bonds(torch.full((5,), HCL.r_e_A, dtype=torch.float64)))
        assert float(energy.abs().max()) < 1e-28  # (1e-15 A)^2 * k
        assert float(forces.abs().max()) < 1e-13
        energy, slope = self.make().energy_and_slope(torch.tensor(HCL.r_e_A, dtype=torch.float64))
        assert (float(energy), float(slope)) == (0.0, 0.0)

    def test_curvature_at_r_e_is_k(self):
        width = 1e-3
        lengths = HCL.r_e_A + width * torch.tensor([-2.0, -1.0, 1.0, 2.0], dtype=torch.float64)
        slope = self.make().energy_and_slope(lengths)[1]
        # Fourth-order difference of dV/dr: the anharmonic terms leave 1e-10.
        curvature = float(slope[0] - 8 * slope[1] + 8 * slope[2] - slope[3]) / (12 * width)
        assert curvature == pytest.approx(HCL.k_eV_per_A2, rel=1e-8)

    def test_energy_rises_away_from_r_e(self):
        outward = self.make().energy_and_slope(torch.linspace(HCL.r_e_A, 3.0, 50, dtype=torch.float64))[0]
        inward = self.make().energy_and_slope(torch.linspace(HCL.r_e_A, 0.4, 50, dtype=torch.float64))[0]
        assert bool((outward.diff() > 0).all())
        assert bool((inward.diff() > 0).all())

    def test_displacement_inverts_the_energy(self):
        bond = self.make()
        root = torch.linspace(-1.2, 1.2, 41, dtype=torch.float64)
        stretch = bond.displacement(root)
        torch.testing.assert_close(bond.energy_and_slope(HCL.r_e_A + stretch)[0], root.square(), rtol=1e-10, atol=1e-24)
        assert bool((stretch.sign() == root.sign()).all())
        torch.testing.assert_close(
            float(bond.displacement(torch.tensor(1e-4, dtype=torch.float64))),
            1e-4 * math.sqrt(2 / HCL.k_eV_per_A2),
            rtol=1e-3,
            atol=0,
        )
