"""An ASE dynamics whose kicks are learned between injections."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch
from ase.md.md import MolecularDynamics
from torch import Tensor

from mlmd.ase.conversion import AtomsHamiltonian, read_state, time_step_fs, write_state
from mlmd.ase.predictor import check_atoms
from mlmd.ase.propagation import make_dynamics
from mlmd.errors import ConfigError, MismatchError, PhysicsError
from mlmd.hamiltonians.method import Array
from mlmd.io.load_predictor import load_predictor
from mlmd.io.migrations import ASE_VERSION, VERSION_KEY, migrate_ase
from mlmd.models import VelocityPredictor
from mlmd.propagation import DivergenceGuard, Engine, Injection, InjectionSchedule, Propagator

LONGEST_STRETCH = 100
"""Learned steps that are computed at once and then handed out step by step; costs memory, not calls."""

ROUND_OFF = 1e-12
"""Relative change of positions or momenta below which they count as unchanged."""


class MLMD(MolecularDynamics):
    """Velocity Verlet whose kick is learned but where the injection schedule asks the calculator.

    Observers, loggers and trajectory writers attach as to any dynamics of ASE, and meet positions and velocities at the
    same step. A step whose kick is learned calls no calculator. An observer that reads an energy or forces there, as
    ``logfile`` does at every ``loginterval``, makes ASE calculate them: that call is the observer's, is not counted
    here, and undoes the saving. ``attach_at_force_calls`` calls an observer only where the results are there already.
    Trajectory files keep energies and forces where they are there, and have none elsewhere.

    After a change of positions, momenta or calculator between steps the run begins anew: ``start_step`` Hamiltonian
    steps from the velocities found, to refill the predictor's memory and the anchor's reference, then the schedule from
    its first interval. A thermostat that acts at every step therefore leaves nothing to learn.

    Args:
        atoms: a free molecule with a calculator.
        timestep: in ASE's unit of time, such as ``0.5 * ase.units.fs``.
        predictor: trained predictor, checkpoint, or folder of a run; None for velocity Verlet.
        injection: schedule and energy anchor, a schedule alone, or the frequency of a periodic one.
        start_step: Hamiltonian steps before ML takes over; the fewest that predictor and anchor read where None.
        energy_zero_eV: potential energy at the minimum, which an energy anchor needs; other runs ask for no energy.
        engine: advances the learned stretches; `AutoEngine` where None.
        guard: ends a run that leaves the molecule's shape; none watches velocity Verlet.
        trajectory: as in ASE.
        logfile: as in ASE.
        loginterval: as in ASE.
        **options: those of ASE's dynamics, such as ``append_trajectory``.

    Attributes:
        n_warmup_calls: force calls of Hamiltonian steps before ML, of every beginning.

    Raises:
        ConfigError: constrained or periodic atoms, no calculator, ML that starts too early, an anchor without its zero.
        MismatchError: a predictor for other atoms, another order, other masses or another time step.
        DataError: no sound checkpoint.

    Velocity Verlet and MLMD with an injection at every step agree to round-off, whatever the predictor:

    >>> from ase.build import molecule
    >>> from ase.calculators.lj import LennardJones
    >>> from ase.units import fs
    >>> atoms = molecule("N2", calculator=LennardJones(sigma=1.0, rc=20.0))
    >>> dynamics = MLMD(atoms, 0.5 * fs, None)
    >>> dynamics.run(10)
    True
    >>> dynamics.n_force_calls
    11
    """

    def __init__(
        self,
        atoms: ase.Atoms,
        timestep: float,
        predictor: VelocityPredictor | str | Path | None,
        *,
        injection: Injection | InjectionSchedule | float = 0.01,
        start_step: int | None = None,
        energy_zero_eV: float | None = None,
        engine: Engine | None = None,
        guard: DivergenceGuard | None = None,
        trajectory: Any = None,
        logfile: Any = None,
        loginterval: int = 1,
        **options: Any,
    ) -> None:
        check_atoms(atoms)
        self.predictor = load_predictor(predictor) if isinstance(predictor, str | Path) else predictor
        self.hamiltonian = AtomsHamiltonian(atoms)
        self.dynamics = make_dynamics(
            self.hamiltonian,
            self.predictor,
            dt_fs=time_step_fs(timestep),
            injection=injection,
            start_step=start_step,
            energy_zero_eV=energy_zero_eV,
            engine=engine,
            guard=guard,
        )
        super().__init__(atoms, timestep, trajectory, logfile, loginterval, **options)
        self.propagator: Propagator | None = None
        self.n_warmup_calls = 0
        self._made_of = (atoms.get_atomic_numbers(), atoms.get_masses())
        self._ahead: deque[tuple[Array, Array]] = deque()
        self._left: tuple[Array, Array] | None = None
        self._calc: Any = None
        self._has_forces = False

    @property
    def has_forces(self) -> bool:
        """Whether the kick of the present step is Hamiltonian, so that energy and forces can be read at no cost."""
        return self._has_forces

    @property
    def n_force_calls(self) -> int:
        """Our force calls since ML took over; of velocity Verlet, all. Those of observers are not among them."""
        return self.hamiltonian.n_calls - self.n_warmup_calls

    def attach_at_force_calls(self, function: Any, *args: Any, **kwargs: Any) -> None:
        """Attach an observer, or an object that has ``write``, for the steps at which ``has_forces`` holds."""
        call: Callable[..., Any] = function if callable(function) else function.write
        self.attach(lambda: call(*args, **kwargs) if self.has_forces else None)

    def run(self, steps: int = 50) -> bool:
        """Take ``steps`` steps; always True, as in ASE."""
        for _ in self.irun(steps):
            pass
        return True

    def irun(self, steps: int = 50) -> Iterator[bool]:
        """Take ``steps`` steps one by one, after each of them saying whether it is the last.

        Raises:
            ConfigError: atoms that were made periodic, constrained, or others.
            PhysicsError: the molecule has left the guard's band, or what the predictor's normal modes describe.
            CalculatorError: forces that are not numbers; a calculator's own errors pass. Either leaves the atoms at the
                last step they reached, from where another run can continue.
        """
        check_atoms(self.atoms)
        self._check_same_atoms()
        self.max_steps = self.nsteps + steps
        if self.nsteps == 0:
            self._begin_where_changed()
            self.call_observers()
        yield self.nsteps == self.max_steps
        while self.nsteps < self.max_steps:
            self.step()
            self.nsteps += 1
            self.call_observers()
            yield self.nsteps == self.max_steps

    def step(self) -> None:
        """Take the atoms from r_n, v_n to r_{n+1}, v_{n+1}; the kick u_{n+1} that v_{n+1} needs is decided here."""
        propagator = self._begin_where_changed()
        if not self._ahead:
            self._compute_ahead(propagator)
        positions, velocities = self._ahead[0]
        self._require_shape(bool(np.isfinite(positions).all()))
        self._ahead.popleft()
        write_state(self.atoms, positions, velocities)
        self._remember()

    def state_dict(self) -> dict[str, Any]:
        """Everything a restart needs, tensors and plain values."""
        propagator = self._begin_where_changed()
        return {
            VERSION_KEY: ASE_VERSION,
            "predictor": None if self.predictor is None else self.predictor.spec.to_dict(),
            "n_steps": self.nsteps,
            "positions": torch.from_numpy(self.atoms.get_positions()),
            "momenta": torch.from_numpy(self.atoms.get_momenta()),
            "ahead": [(torch.tensor(positions), torch.tensor(velocities)) for positions, velocities in self._ahead],
            "has_forces": self._has_forces,
            "n_calls": self.hamiltonian.n_calls,
            "n_warmup_calls": self.n_warmup_calls,
            "propagator": propagator.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where ``state_dict`` stopped, the atoms included, at no force call.

        Raises:
            MismatchError: it is the state of another predictor.
        """
        state = migrate_ase(state)
        if state["predictor"] != (None if self.predictor is None else self.predictor.spec.to_dict()):
            raise MismatchError("the restart is that of another predictor: load it with the one that ran")
        self.atoms.set_positions(state["positions"].numpy())
        self.atoms.set_momenta(state["momenta"].numpy())
        self.propagator = Propagator.restore(self.dynamics, state["propagator"])
        self._ahead = deque((positions.numpy(), velocities.numpy()) for positions, velocities in state["ahead"])
        self._has_forces = state["has_forces"]
        self.hamiltonian.n_calls, self.n_warmup_calls = state["n_calls"], state["n_warmup_calls"]
        self.nsteps = state["n_steps"]
        self._remember()

    def _begin_where_changed(self) -> Propagator:
        """The run, begun anew unless the atoms are as its last step has left them."""
        if self.propagator is not None and self._left is not None and self._calc is self.atoms.calc:
            found = (self.atoms.arrays["positions"], self.atoms.arrays["momenta"])
            if all(_is_same(one, other) for one, other in zip(found, self._left, strict=True)):
                return self.propagator
        self._left = None
        positions, velocities = read_state(self.atoms)
        self._check_positions(positions, step=self.nsteps)
        n_before = self.hamiltonian.n_calls
        self.propagator = Propagator.begin(self.dynamics, positions, velocities)
        self._count_warmup(n_before)
        self._compute_ahead(self.propagator)
        self._ahead.popleft()  # step 0, where the atoms are
        self._remember()
        return self.propagator

    def _compute_ahead(self, propagator: Propagator) -> None:
        """The next steps up to an injection, or the one of an injection: the propagator runs ahead of the atoms.

        What it has drifted to lies one step ahead of the kick that it took last, so that every step handed out has
        its kick, and with it the velocity v_n = v_{n-1/2} + u_n / 2.
        """
        state = propagator.state
        self._require_shape(bool(state.positions.isfinite().all()))
        n_before, n_learned = self.hamiltonian.n_calls, _n_learned(propagator)
        if n_learned == 0:
            self._check_positions(state.positions, step=self.nsteps + 1)
        is_warmup = state.step < propagator.start_step
        frames = propagator.advance(max(n_learned, 1))
        if is_warmup:
            self._count_warmup(n_before)
        self._has_forces = n_learned == 0
        positions, velocities = (values[0].cpu().numpy() for values in (frames.positions, frames.velocities))
        self._ahead = deque(zip(positions, velocities, strict=True))

    def _count_warmup(self, n_before: int) -> None:
        if self.predictor is not None:
            self.n_warmup_calls += self.hamiltonian.n_calls - n_before

    def _remember(self) -> None:
        """How the atoms were left."""
        self._left = (self.atoms.get_positions(), self.atoms.get_momenta())
        self._calc = self.atoms.calc

    def _check_same_atoms(self) -> None:
        numbers, masses = self._made_of
        if not (np.array_equal(self.atoms.numbers, numbers) and np.array_equal(self.atoms.get_masses(), masses)):
            raise ConfigError("the atoms or their masses are no longer those that MLMD was made for: make a new one")

    def _check_positions(self, positions: Tensor, *, step: int) -> None:
        if self.predictor is not None:
            spec = self.predictor.spec
            self.predictor.decomposition.check_domain(positions, name=spec.system, symbols=spec.symbols, step=step)

    def _require_shape(self, has_shape: bool) -> None:
        if not has_shape:
            raise PhysicsError(
                f"the molecule has left its shape after step {self.nsteps}, where the atoms are left: "
                "inject more often, or train for what they do"
            )


def _n_learned(propagator: Propagator) -> int:
    """Learned steps before the next injection, as many as are computed at once."""
    since = propagator.state.step - propagator.start_step
    if propagator.learned is None or since < 0:
        return 0
    return propagator.injected.schedule.next_hamiltonian(since, since + LONGEST_STRETCH) - since


def _is_same(found: Array, left: Array) -> bool:
    """Whether an array is unchanged, except for round-off such as that of setting the velocities just read."""
    return np.array_equal(found, left) or (
        found.shape == left.shape and np.allclose(found, left, rtol=ROUND_OFF, atol=ROUND_OFF)
    )
