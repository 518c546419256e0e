import math

import pytest
import torch
from torch import Tensor

from mlmd.hamiltonians import BondConstants, Hamiltonian, Method, ReplicaHamiltonian

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

    width = 1e-4  # A; of differences of fourth order
    slope_tolerance = 1e-7  # eV/A
    energy_tolerance, force_tolerance = 1e-12, 1e-12  # eV, eV/A; between calls that should agree
    balance = 1e-13  # of net force and torque, as parts of the largest force

    def make(self) -> Hamiltonian:
        raise NotImplementedError

    def positions(self) -> Tensor:
        """Some geometries off the minimum, [replica, atom, xyz], A."""
        raise NotImplementedError

    def assert_same(self, ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
        torch.testing.assert_close(ours[0], theirs[0], rtol=1e-11, atol=self.energy_tolerance)
        torch.testing.assert_close(ours[1], theirs[1], rtol=1e-11, atol=self.force_tolerance)

    def test_forces_are_the_central_difference_of_the_energy(self):
        hamiltonian, positions, width = self.make(), self.positions(), self.width
        _, forces = hamiltonian.energy_and_forces(positions)
        for atom in range(positions.shape[-2]):
            for axis in range(3):
                energies = []
                for n_widths in (-2, -1, 1, 2):
                    moved = positions.clone()
                    moved[..., atom, axis] += n_widths * width
                    energies.append(hamiltonian.energy_and_forces(moved)[0])
                slope = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * width)
                torch.testing.assert_close(forces[..., atom, axis], -slope, rtol=1e-7, atol=self.slope_tolerance)

    def test_translation_changes_nothing(self):
        hamiltonian, positions = self.make(), self.positions()
        still = hamiltonian.energy_and_forces(positions)
        moved = hamiltonian.energy_and_forces(positions + torch.tensor([3.0, -7.0, 0.5]).double())
        self.assert_same(moved, still)

    def test_forces_turn_with_the_molecule_and_the_energy_does_not(self):
        hamiltonian, positions = self.make(), self.positions()
        energy, forces = hamiltonian.energy_and_forces(positions)
        turned = hamiltonian.energy_and_forces(positions @ ROTATION.mT)
        self.assert_same(turned, (energy, forces @ ROTATION.mT))

    def test_newtons_third_law(self):
        positions = self.positions()
        _, forces = self.make().energy_and_forces(positions)
        scale = float(forces.abs().max())
        assert scale > 0.1
        assert float(forces.sum(dim=-2).abs().max()) <= self.balance * scale
        assert float(torch.linalg.cross(positions, forces).sum(dim=-2).abs().max()) <= self.balance * scale

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
            self.assert_same(hamiltonian.energy_and_forces(positions[replica]), (energy[replica], forces[replica]))


class MethodContract(HamiltonianContract):
    """Every level of theory, as a Hamiltonian of replicas: here of two geometries of one molecule."""

    symbols: tuple[str, ...]
    at: tuple[tuple[float, float, float], ...]
    width = 1e-3  # wide, since the last digits of energies are not converged
    slope_tolerance, energy_tolerance, force_tolerance, balance = 1e-6, 1e-8, 1e-6, 1e-6

    def method(self) -> Method:
        raise NotImplementedError

    def make(self) -> ReplicaHamiltonian:
        return ReplicaHamiltonian(self.method(), self.symbols)

    def positions(self) -> Tensor:
        moves = torch.randn(2, len(self.at), 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        return torch.tensor(self.at, dtype=torch.float64) + 0.08 * moves

    def test_replicas_do_not_see_each_other(self):
        batch = self.make().energy_and_forces(self.positions())
        for replica, positions in enumerate(self.positions()):
            energy, forces = self.make().energy_and_forces(positions)
            assert torch.equal(batch[0][replica], energy)
            assert torch.equal(batch[1][replica], forces)

    def test_what_is_forgotten_changes_no_bit(self):
        hamiltonian, positions = self.make(), self.positions()
        fresh = hamiltonian.energy_and_forces(positions)
        hamiltonian.energy_and_forces(positions.flip(0) @ ROTATION.mT)
        hamiltonian.forget()
        again = hamiltonian.energy_and_forces(positions)
        assert torch.equal(again[0], fresh[0])
        assert torch.equal(again[1], fresh[1])

    def test_remembering_changes_no_digit_that_counts(self):
        hamiltonian, positions = self.make(), self.positions()
        fresh = hamiltonian.energy_and_forces(positions)
        hamiltonian.energy_and_forces(positions + 0.03 * positions.flip(0))
        self.assert_same(hamiltonian.energy_and_forces(positions), fresh)


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
