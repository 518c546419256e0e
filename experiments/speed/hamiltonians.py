"""Part 4: what true forces cost, from an analytic bond to density functionals, and learned steps beside them."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.morse import MorsePotential
from ase.md.verlet import VelocityVerlet
from ase.units import fs
from cases import DT_FS, Case, draw, make_rollout, make_system
from chemistry import PYSCF_METHODS, make_molecule, pyscf_call, tblite_call, tblite_dynamics
from contenders import FRAME_STRIDE, LearnedStretch, entries
from results import Row
from timing import Contender, calls, calls_to_fill, in_turns, statistics_of
from verlet import Morse, compiled_verlet, numpy_verlet

from mlmd.hamiltonians import MorseBond
from mlmd.propagation import Propagator, reference_dynamics
from mlmd.systems import System
from mlmd.units import ACCELERATION

SMALL, BATCH = 1, 1024
VERLET_STEPS = 50
ATOMS = {"HCl": 2, "H2O": 3, "ethanol": 9}
"""Of the molecules whose force calls are timed, and of the learned steps that stand beside them."""


def measure(*, n_repeats: int, sample_s: float, fast: bool, only: Iterable[str] | None = None) -> Iterator[Row]:
    """One row per source of forces; times are per MD step ("step") or per force call ("call"), one thread."""
    yield from _in_turns(_learned(sample_s, fast=fast, only=only), "learned", n_repeats, "step")
    yield from _in_turns(_verlets(fast=fast), "analytic", n_repeats, "step")
    yield from _in_turns(_ase(), "force field", n_repeats, "step")
    yield from _in_turns(_tblite_by_ase(fast=fast), "semi-empirical", n_repeats, "step")
    quick = {name: call for name, call in _chemistry(fast=fast).items() if name[0] == "tblite"}
    slow = {name: call for name, call in _chemistry(fast=fast).items() if name[0] == "PySCF"}
    yield from _in_turns(_force_calls(quick, sample_s), "semi-empirical", n_repeats, "call")
    # A call takes up to seconds, so a few of them suffice.
    yield from _in_turns(_force_calls(slow, sample_s), "ab initio", min(n_repeats, 5), "call")


Key = tuple[str, str, int, str]
"""Name, molecule, number of replicas, what must be known about it."""


MakeCall = Callable[[], Callable[[], None]]
"""Makes a force call, or raises ImportError."""


def _work(function: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[[], None]:
    """What the stopwatch times: a call whose result nobody needs."""

    def work() -> None:
        function(*arguments, **named)

    return work


def _in_turns(contenders: dict[Key, Contender], kind: str, n_repeats: int, unit: str) -> Iterator[Row]:
    samples = in_turns({str(key): contender for key, contender in contenders.items()}, n_repeats=n_repeats)
    for key, contender in contenders.items():
        statistics = statistics_of(samples[str(key)])
        name, molecule, n_replicas, note = key
        replicas = f", {n_replicas:,} replicas" if n_replicas > 1 else ""
        print(f"hamiltonians: {name}, {molecule}{replicas}: {statistics['median_us']:,} us a {unit}", flush=True)
        yield {
            "name": name,
            "kind": kind,
            "molecule": molecule,
            "n_replicas": n_replicas,
            "unit": unit,
            "note": note,
            "threads": contender.threads,
            "n_units": contender.n_units,
            **statistics,
        }


def _learned(sample_s: float, *, fast: bool, only: Iterable[str] | None) -> dict[Key, Contender]:
    """DuR0 for HCl; 3vR0 of as many atoms where D does not reach."""
    contenders: dict[Key, Contender] = {}
    numbers = (SMALL,) if fast else (SMALL, BATCH)
    for entry in entries([1], only=only):
        for molecule, n_atoms in ATOMS.items():
            case = Case("DuR0" if n_atoms == 2 else "3vR0", n_atoms=n_atoms)
            for n_replicas in numbers if n_atoms == 2 else (SMALL,):
                rollout = make_rollout(case, n_replicas).on(entry.device)
                stretch = LearnedStretch(rollout, entry, sample_s=sample_s)
                place = " on the GPU" if entry.device == "cuda" else ""
                note = f"{case.variant} {case.n_layers}x{case.hidden_size}, stretches of {stretch.stretch_steps} steps"
                contenders[f"MLMD, {entry.engine}{place}", molecule, n_replicas, note] = stretch.contender()
    return contenders


def _verlets(*, fast: bool) -> dict[Key, Contender]:
    """HCl with its Morse bond: mlmd's reference dynamics, NumPy, and a compiled loop."""
    system = make_system(Case())
    morse = morse_of(system)
    contenders: dict[Key, Contender] = {}
    for n_replicas in (SMALL, BATCH):
        positions, velocities = draw(Case(), system, n_replicas)
        reference = Propagator.begin(reference_dynamics(system), positions, velocities)
        contenders["Verlet, mlmd", "HCl", n_replicas, "Morse"] = Contender(
            _work(reference.advance, VERLET_STEPS, every=FRAME_STRIDE), VERLET_STEPS
        )
        r, v = positions.numpy(), velocities.numpy()
        contenders["Verlet, NumPy", "HCl", n_replicas, "Morse"] = Contender(
            _work(numpy_verlet, morse, r, v, VERLET_STEPS), VERLET_STEPS
        )
        try:
            compiled = compiled_verlet()
        except ImportError:
            print("hamiltonians: the compiled Verlet is left out, numba is not there", flush=True)
            continue
        n_steps = VERLET_STEPS * (1 if fast or n_replicas > 1 else 100)
        contenders["Verlet, numba", "HCl", n_replicas, "Morse"] = Contender(
            _work(compiled, morse, r, v, n_steps), n_steps
        )
    return contenders


def morse_of(system: System) -> Morse:
    """The bond of a system, for code that knows nothing of mlmd."""
    bond = system.hamiltonian
    assert isinstance(bond, MorseBond)
    mass_1, mass_2 = system.masses_u
    constants = bond.constants
    return Morse(bond.D_e_eV, bond.a_per_A, constants.r_e_A, (mass_1, mass_2), system.dt_fs, ACCELERATION)


def _ase() -> dict[Key, Contender]:
    """ASE's velocity Verlet with its own force fields for two atoms."""
    system = make_system(Case())
    morse = morse_of(system)
    own = MorsePotential(epsilon=morse.depth_eV, rho0=morse.a_per_A * morse.r_e_A, r0=morse.r_e_A)
    dimers: list[tuple[str, Atoms, Calculator]] = [
        ("Morse", make_molecule("HCl"), own),
        ("Lennard-Jones", Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.8]]), LennardJones(sigma=3.4, epsilon=0.0104)),
        ("EMT", Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]), EMT()),
    ]
    contenders: dict[Key, Contender] = {}
    for name, atoms, calculator in dimers:
        atoms.positions[1, 2] += 0.02
        atoms.calc = calculator
        dynamics = VelocityVerlet(atoms, timestep=DT_FS * fs)
        contenders[f"ASE, {name}", str(atoms.symbols), 1, "velocity Verlet"] = Contender(
            _work(dynamics.run, VERLET_STEPS), VERLET_STEPS
        )
    return contenders


def _tblite_by_ase(*, fast: bool) -> dict[Key, Contender]:
    contenders: dict[Key, Contender] = {}
    for molecule in () if fast else ATOMS:
        try:
            dynamics = tblite_dynamics("GFN2-xTB", molecule)
        except ImportError:
            break
        contenders["ASE, GFN2-xTB", molecule, 1, "velocity Verlet, tblite's ASE calculator"] = Contender(
            _work(dynamics.run, VERLET_STEPS), VERLET_STEPS
        )
    return contenders


def _chemistry(*, fast: bool) -> dict[tuple[str, str, str], MakeCall]:
    """(package, method, molecule) and what makes the force call."""
    wanted: dict[tuple[str, str, str], MakeCall] = {
        ("tblite", method, molecule): partial(tblite_call, method, molecule)
        for method in (("GFN2-xTB",) if fast else ("GFN1-xTB", "GFN2-xTB"))
        for molecule in (("HCl",) if fast else ATOMS)
    }
    for method in PYSCF_METHODS[:1] if fast else PYSCF_METHODS:
        wanted["PySCF", method, "HCl"] = partial(pyscf_call, method, "HCl")
    return wanted


def _force_calls(wanted: dict[tuple[str, str, str], MakeCall], sample_s: float) -> dict[Key, Contender]:
    contenders: dict[Key, Contender] = {}
    torch.set_num_threads(1)
    for (package, method, molecule), make in wanted.items():
        try:
            call = make()
        except ImportError:
            print(f"hamiltonians: {package} is left out, it is not installed", flush=True)
            continue
        n_calls = calls_to_fill(call, sample_s=sample_s)
        contenders[method, molecule, 1, f"{package}, density reused"] = Contender(calls(call, n_calls), n_calls)
    return contenders
