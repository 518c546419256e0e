"""From a start geometry to the minimum and its modes, with forces that are known on paper."""

import dataclasses
import json
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_methods import LINE, WATER, Repulsion, Restless, Springs

from mlmd.errors import CalculatorError, ConfigError, PhysicsError
from mlmd.systems import relaxation
from mlmd.systems.minimum import find_minimum, method_values
from mlmd.systems.normal_modes import normal_modes
from mlmd.systems.orientation import oriented
from mlmd.systems.structure import Structure, known_structure

A = 9.648533212e-3
C = 2.99792458e-5
SYMBOLS, MASSES = ("O", "H", "H"), (15.999, 1.008, 1.008)


def distance(positions, i, j):
    return np.linalg.norm(np.array(positions[i]) - np.array(positions[j]))


def bent(symbols=SYMBOLS, masses=MASSES, angle=1.0):
    positions = [[0, 0, 0], [0.99, 0, 0], [0.9 * np.cos(angle), 0.9 * np.sin(angle), 0.05]]
    return Structure(symbols, masses, np.array(positions))


def straight():
    return Structure(
        ("C", "O", "O"), (12.011, 15.999, 15.999), np.array([[0, 0.0, 0], [0, 0.02, 1.2], [0.01, 0, -1.1]])
    )


def rigid(positions, masses):
    """Orthonormal translations and rotations in mass-weighted coordinates."""
    centred = positions - np.average(positions, axis=0, weights=masses)
    columns = [np.broadcast_to(axis, centred.shape) for axis in np.eye(3)]
    columns += [np.cross(axis, centred) for axis in np.eye(3)]
    weighted = np.stack([(np.sqrt(masses)[:, None] * column).ravel() for column in columns], axis=1)
    basis, sizes, _ = np.linalg.svd(weighted, full_matrices=False)
    return basis[:, sizes > 1e-8]


def test_relaxation_finds_the_lengths_of_the_springs():
    minimum = find_minimum("water", bent(), Springs(), cache=None)
    for i, j, length, _ in WATER:
        assert distance(minimum.positions_A, i, j) == pytest.approx(length, abs=5e-6)
    assert minimum.energy_eV == pytest.approx(-7.0, abs=1e-8)


def test_the_frame_is_that_of_the_principal_axes():
    positions = np.array(find_minimum("water", bent(), Springs(), cache=None).positions_A)
    masses = np.array(MASSES)
    assert np.abs(masses @ positions).max() < 1e-13
    products = np.einsum("a,ai,aj->ij", masses, positions, positions)
    assert np.abs(products - np.diag(np.diag(products))).max() < 1e-12
    x, y, z = np.diag(products)
    assert x < y < z, "the smallest moment is about z"


def test_a_linear_molecule_lies_on_z_and_has_pairs_of_bends():
    minimum = find_minimum("line", straight(), Springs(LINE), cache=None)
    positions = np.array(minimum.positions_A)
    assert np.abs(positions[:, :2]).max() == 0.0
    assert positions[0, 2] < positions[-1, 2]
    modes = minimum.modes
    assert (modes.n_modes, modes.is_linear) == (4, True)
    vectors = np.array(modes.vectors)
    axes = [sorted(np.flatnonzero(np.abs(vector).max(axis=0)).tolist()) for vector in vectors]
    assert sorted(axes) == [[0], [1], [2], [2]]
    first = axes.index([0])
    assert axes[first + 1] == [1]
    assert modes.wavenumbers_cm1[first] == modes.wavenumbers_cm1[first + 1]
    assert np.array_equal(vectors[first][:, 0], vectors[first + 1][:, 1])
    # The push of 2.6 A against 2 x 1.1 A leaves a tension T in each bond: bends have k = 2 T / r.
    r = distance(positions, 0, 1)
    k = 2 * 90.0 * (r - 1.10) / r
    assert 20.0 * (2.60 - 2 * r) == pytest.approx(90.0 * (r - 1.10), abs=1e-3)
    reduced = 12.011 * 2 * 15.999 / (12.011 + 2 * 15.999)
    assert modes.wavenumbers_cm1[first] == pytest.approx(np.sqrt(k * A / reduced) / (2 * np.pi * C), rel=1e-4)


@pytest.mark.parametrize("start", [bent(), straight(), known_structure("CH4")], ids=["bent", "straight", "CH4"])
def test_modes_are_orthonormal_and_free_of_rigid_motion(start):
    springs = {3: WATER if start.symbols[0] == "O" else LINE, 5: METHANE}[len(start.symbols)]
    minimum = find_minimum("molecule", start, Springs(springs), cache=None)
    vectors = np.array(minimum.modes.vectors).reshape(minimum.modes.n_modes, -1)
    assert np.abs(vectors @ vectors.T - np.eye(len(vectors))).max() < 1e-13
    assert np.abs(vectors @ rigid(np.array(minimum.positions_A), np.array(start.masses_u))).max() < 1e-13
    assert list(minimum.modes.wavenumbers_cm1) == sorted(minimum.modes.wavenumbers_cm1)


HH = 1.09 * np.sqrt(8 / 3)
METHANE = tuple((0, j, 1.09, 30.0) for j in range(1, 5)) + tuple(
    (i, j, float(HH), 5.0) for i in range(1, 5) for j in range(i + 1, 5)
)


@given(st.integers(3, 6), st.integers(0, 2**32 - 1))
def test_a_quadratic_potential_gives_its_own_modes(n_atoms, seed):
    rng = np.random.default_rng(seed)
    masses = rng.uniform(1.0, 40.0, n_atoms)
    positions, linear = oriented(rng.normal(size=(n_atoms, 3)), masses)
    assert not linear
    internal = np.eye(3 * n_atoms) - rigid(positions, masses) @ rigid(positions, masses).T
    root = rng.normal(size=(3 * n_atoms, 3 * n_atoms))
    weighted = internal @ (root @ root.T + np.eye(3 * n_atoms)) @ internal
    scale = np.repeat(np.sqrt(masses), 3)
    hessian = weighted * np.outer(scale, scale)
    expected = np.sqrt(np.linalg.eigvalsh(weighted)[6:] * A) / (2 * np.pi * C)

    modes = normal_modes(
        lambda at: -(hessian @ (at - positions).ravel()).reshape(at.shape), positions, masses, linear=False
    )
    # Modes within half a wavenumber of each other are given their mean.
    assert np.abs(np.array(modes.wavenumbers_cm1) - expected).max() < 1.0
    if np.diff(expected).min() > 1.0:
        assert modes.wavenumbers_cm1 == pytest.approx(expected.tolist(), rel=1e-6)
        vectors = np.array(modes.vectors).reshape(modes.n_modes, -1)
        squares = (2 * np.pi * C * expected) ** 2 / A
        assert np.abs(vectors @ weighted @ vectors.T - np.diag(squares)).max() < 1e-6 * squares.max()


def test_equal_modes_have_a_basis_that_noise_does_not_turn():
    start = known_structure("CH4")
    plain = find_minimum("CH4", start, Springs(METHANE), cache=None)
    noise = np.random.default_rng(1).normal(size=(5, 3)) * 1e-6
    shifted = dataclasses.replace(start, positions=start.positions + noise)
    other = find_minimum("CH4", shifted, Springs(METHANE), cache=None)
    assert np.abs(np.array(plain.modes.vectors) - np.array(other.modes.vectors)).max() < 1e-3
    assert len(set(plain.modes.wavenumbers_cm1)) == 4, "of nine modes, in groups of 1, 2, 3 and 3"


def test_a_positive_coordinate_stretches():
    minimum = find_minimum("water", bent(), Springs(), cache=None)
    weighted = np.sqrt(np.array(MASSES))[:, None] * np.array(minimum.positions_A)
    growth = [(np.array(vector) * weighted).sum() for vector in minimum.modes.vectors]
    assert sum(value > 0.01 for value in growth) == 2
    assert sum(abs(value) < 1e-4 for value in growth) == 1, "the antisymmetric stretch does neither"


def test_a_saddle_point_is_refused_with_its_wavenumber():
    start = Structure(SYMBOLS, MASSES, np.array([[0, 0, 0], [0, 0, 0.96], [0, 0, -0.96]]))
    with pytest.raises(ConfigError, match=r"water is not at a minimum of planted .* \(a mode of \d+i cm\^-1\).*0\.1 A"):
        find_minimum("water", start, Springs(), cache=None)


def test_a_molecule_that_falls_apart_is_reported():
    with pytest.raises(PhysicsError, match=r"water falls apart while it is relaxed \(step \d+\)"):
        find_minimum("water", bent(), Repulsion(), cache=None)


def test_a_relaxation_without_end_is_reported(monkeypatch):
    monkeypatch.setattr(relaxation, "MAX_STEPS", 12)
    with pytest.raises(
        CalculatorError, match=r"water is not relaxed after 12 steps \(largest force 1 eV/A, wanted 0\.0001\)"
    ):
        find_minimum("water", bent(), Restless(), cache=None)


def test_net_force_and_torque_of_a_rough_method_do_not_stop_a_relaxation():
    class Rough(Springs):
        def energy_and_forces(self, positions):
            energy, forces = super().energy_and_forces(positions)
            return energy, forces + np.array([0.01, 0.0, 0.02])

    minimum = find_minimum("water", bent(), Rough(), cache=None)
    assert distance(minimum.positions_A, 0, 1) == pytest.approx(0.96, abs=5e-6)


def test_a_soft_mode_is_noted(caplog):
    springs = (*WATER[:2], (1, 2, 1.52, 1e-3))
    with caplog.at_level(logging.WARNING, logger="mlmd"):
        find_minimum("floppy", bent(angle=1.8), Springs(springs), cache=None)
    assert "floppy has a soft mode at" in caplog.text


class TestCache:
    def test_a_second_look_needs_no_forces(self, tmp_path):
        first = find_minimum("water", bent(), Springs(), cache=str(tmp_path))
        again = Springs(n_processes=4)  # how many share the work decides nothing
        assert find_minimum("water", bent(), again, cache=str(tmp_path)) == first
        assert again.calls == []

    @pytest.mark.parametrize(
        ("start", "method"),
        [
            (bent(angle=1.1), Springs()),
            (bent(masses=(15.999, 2.014, 1.008)), Springs()),
            (bent(symbols=("S", "H", "H")), Springs()),
            (bent(), Springs((*WATER[:2], (1, 2, 1.52, 13.0)))),
        ],
        ids=["start", "masses", "symbols", "method"],
    )
    def test_minima_of_different_inputs_have_different_files(self, start, method, tmp_path):
        find_minimum("water", bent(), Springs(), cache=str(tmp_path))
        find_minimum("water", start, method, cache=str(tmp_path))
        assert method.calls != []
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize("damage", ["cut", "changed", "empty", "another", "list"])
    def test_a_damaged_file_is_made_again_with_a_warning(self, damage, tmp_path, caplog):
        first = find_minimum("water", bent(), Springs(), cache=str(tmp_path))
        (path,) = tmp_path.iterdir()
        text = path.read_text()
        stored = json.loads(text)
        stored["result"]["energy_eV"] += 1.0
        another = json.loads(text)
        another["recipe"]["version"] = 0
        path.write_text(
            {
                "cut": text[:-200],
                "changed": json.dumps(stored),
                "empty": "",
                "another": json.dumps(another),
                "list": "[1]",
            }[damage]
        )
        method = Springs()
        assert find_minimum("water", bent(), method, cache=str(tmp_path)) == first
        assert method.calls != []
        assert f"{path} is damaged" in caplog.text
        assert path.read_text() == text

    def test_nothing_is_kept_where_nothing_is_wanted(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        find_minimum("water", bent(), Springs(), cache=None)
        assert list(tmp_path.iterdir()) == []


def test_the_values_of_a_method_are_words_and_numbers():
    values = method_values(Springs())
    assert values["class"] == "planted_methods.Springs"
    assert values["springs"] == [list(spring) for spring in WATER]
    assert set(values) == {"class", "springs"}


def test_a_method_that_is_no_dataclass_has_values_too():
    class Other(Springs.__base__):
        def __init__(self):
            self.level, self.factory, self.n_processes, self._state = 2, np.linalg.norm, 3, object()

    values = method_values(Other())
    assert values.pop("class").endswith("Other")
    assert values == {"level": 2, "factory": "numpy.linalg.norm"}


def test_the_minimum_of_a_lambda_is_not_stored(tmp_path):
    from ase.calculators.emt import EMT

    from mlmd.hamiltonians import AseMethod

    start = Structure(("Cu", "Cu"), (63.5, 63.5), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.4]]))
    find_minimum("Cu2", start, AseMethod.of(lambda: EMT()), cache=str(tmp_path))
    assert not list(tmp_path.iterdir())
    find_minimum("Cu2", start, AseMethod("ase.calculators.emt.EMT"), cache=str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1


def test_forces_beyond_all_numbers_are_reported(monkeypatch):
    def fails(*_: object) -> None:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    monkeypatch.setattr("ase.optimize.BFGS.step", fails)
    start = Structure(SYMBOLS, MASSES, np.array([[0, 0, 0], [0, 0.76, 0.6], [0, -0.75, 0.6]]))
    with pytest.raises(CalculatorError, match=r"water is not relaxed \(step \d+\): its forces are too large to find"):
        find_minimum("water", start, Springs(), cache=None)
