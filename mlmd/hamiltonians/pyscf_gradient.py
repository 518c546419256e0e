"""The gradient of a converged field by PySCF, with one atom's derivatives left out; imported where PySCF is needed.

Moving all atoms changes no energy, so that the gradient on one atom is minus the sum of the others', exactly, since the
grid moves along. The atom left out is the one with most derivatives of integrals: of HCl/def2-SVP they take 36 ms, 8
without Cl.
"""

from typing import Any

import numpy as np
from pyscf.scf import _vhf

from mlmd.hamiltonians.method import Array


def gradient_of(field: Any) -> Array:
    """The energy's gradient, Hartree/Bohr, [atom, xyz], with the response of the grid where there is one."""
    molecule = field.mol
    slices = molecule.aoslice_by_atom()
    dearest = int(_n_primitives(molecule, slices).argmax())
    solver = field.nuc_grad_method()
    solver.grid_response = True  # no field but a functional's looks at it
    rows = _Rows(solver, [atom for index, atom in enumerate(slices) if index != dearest])
    solver.get_jk, solver.get_j = rows.get_jk, rows.get_j
    gradient: Array = solver.kernel()
    gradient[dearest] = 0.0
    gradient[dearest] = -gradient.sum(axis=0)
    return gradient


def _n_primitives(molecule: Any, slices: Array) -> Array:
    """Primitive functions of each atom, contracted ones counted by their angular parts."""
    each = np.array(
        [molecule.bas_nprim(i) * molecule.bas_nctr(i) * (2 * molecule.bas_angular(i) + 1) for i in range(molecule.nbas)]
    )
    return np.array([each[first:last].sum() for first, last, _, _ in slices])


class _Rows:
    """Coulomb and exchange derivatives with the differentiated orbital on some atoms; other rows stay zero."""

    def __init__(self, solver: Any, slices: list[Array]) -> None:
        self.whole_jk, self.whole_j, self.slices = solver.get_jk, solver.get_j, slices

    def get_jk(self, mol: Any, dm: Array, hermi: int = 0, omega: float | None = None) -> tuple[Array, Array]:
        """J_ij = -(d_i j|kl) D_lk and K_il = -(d_i j|kl) D_jk, [..., xyz, orbital, orbital]."""
        if omega:
            return self.whole_jk(mol, dm, hermi=hermi, omega=omega)  # type: ignore[no-any-return]
        coulomb, exchange = self._rows(mol, dm, ("lk->s1ij", "jk->s1il"))
        return coulomb, exchange

    def get_j(self, mol: Any, dm: Array, hermi: int = 0, omega: float | None = None) -> Array:
        """The Coulomb part of `get_jk`."""
        if omega:
            return self.whole_j(mol, dm, hermi=hermi, omega=omega)  # type: ignore[no-any-return]
        return self._rows(mol, dm, ("lk->s1ij",))[0]

    def _rows(self, mol: Any, dm: Array, contractions: tuple[str, ...]) -> list[Array]:
        densities = np.asarray(dm).reshape(-1, mol.nao, mol.nao)
        results = [np.zeros((len(densities), 3, mol.nao, mol.nao)) for _ in contractions]
        for first, last, start, end in self.slices:
            shells = (first, last, *(0, mol.nbas) * 3)
            integral = mol._add_suffix("int2e_ip1")
            blocks = _vhf.direct_mapdm(
                integral, "s2kl", contractions, densities, 3, mol._atm, mol._bas, mol._env, shls_slice=shells
            )
            for result, block in zip(results, blocks, strict=True):
                result[..., start:end, :] = -np.asarray(block)
        return [result.reshape(*dm.shape[:-2], 3, mol.nao, mol.nao) for result in results]
