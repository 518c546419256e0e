import numpy as np
import pytest

from mlmd.hamiltonians import PySCF
from mlmd.hamiltonians.density_guess import N_KEPT, DensityGuess

N_ORBITALS, N_OCCUPIED = 8, 3


def field(x, y=0.0):
    """Overlap and occupied orbitals of a model that depends smoothly on two coordinates."""
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(6, N_ORBITALS, N_ORBITALS))
    hermitian = [part + part.T for part in parts]
    overlap = np.eye(N_ORBITALS) + 0.02 * (x * hermitian[0] + y * hermitian[1] + x * x * hermitian[2])
    levels, vectors = np.linalg.eigh(overlap)
    root = vectors / np.sqrt(levels) @ vectors.T
    fock = np.diag(np.arange(N_ORBITALS)) + 0.1 * (x * hermitian[3] + y * hermitian[4] + x * y * hermitian[5])
    return overlap, root @ np.linalg.eigh(fock)[1][:, :N_OCCUPIED]


def density(occupied):
    return occupied @ occupied.T


def error(points, at):
    """Of the density guessed at one point from those at others."""
    guess = DensityGuess()
    for x, y in points:
        overlap, occupied = field(x, y)
        guess.guess(overlap, (N_OCCUPIED,))
        guess.remember(overlap, [occupied])
    overlap, occupied = field(*at)
    guessed = guess.guess(overlap, (N_OCCUPIED,))[0]
    assert guessed.T @ overlap @ guessed == pytest.approx(np.eye(N_OCCUPIED), abs=1e-10), "orbitals are orthonormal"
    return float(np.abs(density(guessed) - density(occupied)).max())


def test_nothing_is_guessed_from_nothing():
    assert DensityGuess().guess(field(0.1)[0], (N_OCCUPIED,)) is None


def test_a_known_geometry_is_guessed_exactly():
    assert error([(0.1, 0.0), (0.5, 0.2), (-0.3, 0.1)], (0.5, 0.2)) < 1e-6


def test_more_geometries_guess_better_wherever_they_lie():
    scattered = [(0.3, 0.0), (-0.25, 0.0), (0.15, 0.0), (-0.1, 0.0), (0.24, 0.0)]
    errors = [error(scattered[:n], (0.05, 0.0)) for n in (1, 2, 3, 5)]
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 9 * errors[3]


def test_it_forgets():
    guess = DensityGuess()
    for x in (0.1, 0.2):
        overlap, occupied = field(x)
        guess.guess(overlap, (N_OCCUPIED,))
        guess.remember(overlap, [occupied])
    guess.forget()
    assert guess.guess(field(0.3)[0], (N_OCCUPIED,)) is None


def test_the_field_needs_fewer_iterations():
    point = PySCF("HF", "STO-3G").single_point(("H", "Cl"))
    cycles = []
    for step in range(N_KEPT + 1):
        point(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.29 + 0.1 * np.sin(2.0 * step)]]))
        cycles.append(point.field.cycles)
    assert cycles[0] >= 6
    assert cycles[-1] <= 2
