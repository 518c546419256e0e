"""Trajectories that ASE makes and writes: HCl on ASE's Morse curve and water on EMT, by ASE's velocity Verlet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.verlet import VelocityVerlet

DT_FS = 0.5
Images = list[Any]


def hcl_images(n_steps: int = 60, *, dt_fs: float = DT_FS, every: int = 1, masses: list[float] | None = None) -> Images:
    """Frames 0, every, ... of a vibrating, rotating HCl, with momenta and forces as ASE leaves them."""
    atoms: Any = Atoms("HCl", positions=[[0.1, 0.2, 0.3], [0.1, 0.2, 1.65]], masses=masses)
    # About D_e, r_e and k of HCl; the curve ends far beyond where it vibrates.
    atoms.calc = MorsePotential(epsilon=4.6, r0=1.275, rho0=2.38, rcut1=6.0, rcut2=8.0)
    masses_u = atoms.get_masses()[:, None]
    velocities = np.array([[0.02, 0.01, -0.03], [0.0, 0.0, 0.0]]) / units.fs
    atoms.set_velocities(velocities - (masses_u * velocities).sum(axis=0) / masses_u.sum())
    return _images(atoms, n_steps, dt_fs=dt_fs, every=every)


def water_images(n_steps: int = 60, *, dt_fs: float = DT_FS, every: int = 1) -> Images:
    """The same of water on ASE's EMT at 600 K, which turns and whose centre of mass moves."""
    atoms: Any = molecule("H2O")
    atoms.calc = EMT()
    spread = np.sqrt(atoms.get_masses()[:, None] * 600.0 * units.kB)
    atoms.set_momenta(spread * np.random.default_rng(1).normal(size=(3, 3)))
    return _images(atoms, n_steps, dt_fs=dt_fs, every=every)


def _images(atoms: Any, n_steps: int, *, dt_fs: float, every: int) -> Images:
    images: Images = []

    def keep() -> None:
        frame = atoms.copy()
        frame.calc = SinglePointCalculator(frame, energy=atoms.get_potential_energy(), forces=atoms.get_forces())
        images.append(frame)

    dynamics = VelocityVerlet(atoms, timestep=dt_fs * units.fs)
    dynamics.attach(keep, interval=every)
    dynamics.run(n_steps)
    return images


def changed(images: Images, change: Callable[[Any], Any]) -> Images:
    """Copies, all changed alike; what ``change`` returns stands in for a copy."""
    return changed_by_number(images, lambda image, _: change(image))


def changed_by_number(images: Images, change: Callable[[Any, int], Any]) -> Images:
    """Copies, each changed by its number; what ``change`` returns stands in for a copy."""
    copies = []
    for number, image in enumerate(images):
        copy = image.copy()
        copy.calc = image.calc
        copies.append(change(copy, number) or copy)
    return copies


def bare(images: Images) -> Images:
    """Positions alone."""
    return [Atoms(image.get_chemical_symbols(), positions=image.positions) for image in images]


def stored(path: Path, images: Images, **options: Any) -> Path:
    """A file in the format of its suffix."""
    ase.io.write(path, images, **options)
    return path
