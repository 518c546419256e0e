"""The propagator: one loop for reference dynamics, MLMD, injection and delayed activation."""

from typing import Any

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.models import VelocityPredictor
from mlmd.propagation.engine import EagerEngine, Engine, Frames, drift
from mlmd.propagation.guard import DivergenceGuard
from mlmd.propagation.injection import Injection, Periodic
from mlmd.propagation.kicks import HamiltonianKick, LearnedKick
from mlmd.state import MDState, Trajectory
from mlmd.systems import System

N_PAST_KICKS = 3
"""Kicks kept beside the present one, for the backward difference of the energy anchor."""


class Propagator:
    """Propagates a batch of replicas with Hamiltonian and learned kicks.

    Up to ``start_step`` every kick is Hamiltonian and fills the predictor's memory; from then on the kick is learned
    but where the injection schedule says otherwise. Restarting from ``state_dict`` gives the trajectory that never
    stopping would have given.

    Args:
        system: what is simulated.
        injection: schedule and energy anchor from ``start_step`` on.
        predictor: trained predictor; None for reference dynamics, in which every step is Hamiltonian.
        start_step: first step at which ML may kick.
        device: where states live.
        engine: advances the learned stretches.
        guard: takes diverged replicas out.

    Raises:
        ConfigError: ML is to start before the predictor has its history.
        MismatchError: the predictor belongs to another system or time step.
    """

    def __init__(
        self,
        system: System,
        *,
        injection: Injection,
        predictor: VelocityPredictor | None,
        start_step: int = 0,
        device: torch.device | str = "cpu",
        engine: Engine | None = None,
        guard: DivergenceGuard | None = None,
    ) -> None:
        if predictor is not None:
            predictor.spec.check_system(system)
            check_start(start_step, predictor)
        self.system = system
        self.injection = injection
        self.predictor = predictor
        self.start_step = start_step
        self.device = torch.device(device)
        self.engine = engine or EagerEngine()
        self.guard = guard or DivergenceGuard()
        self.true = HamiltonianKick(system, device=device)
        self.n_warmup_calls = 0
        self._state: MDState | None = None

    @torch.no_grad()
    def start(self, positions: Tensor, velocities: Tensor) -> None:
        """Begin at on-step positions r_0 (A) and velocities v_0 (A/fs), float64 [replica, atom, xyz].

        v_{-1/2} = v_0 - u_0 / 2 takes one force call, whose kick serves step 0 as well.
        """
        state = MDState(0, positions.to(self.device), velocities.to(self.device))
        self.true.hamiltonian.n_calls = 0
        self.injection.schedule.reset()
        self._first_kick: Tensor | None = self.true.kick(state)
        self._state = MDState(0, state.positions, state.velocities - 0.5 * self._first_kick)
        self.learned = None if self.predictor is None else LearnedKick(self.predictor, state.n_replicas)
        self.guard.bind(self.system, device=self.device)
        if self.injection.anchor is not None and self.predictor is not None:
            self.injection.anchor.bind(self.system, device=self.device)
        self.n_warmup_calls = 0 if self.learned is None else self.true.hamiltonian.n_calls
        self._past: list[Tensor] = []
        self._kick_square = 0.0

    @property
    def state(self) -> MDState:
        """The present state: r_n and v_{n-1/2}.

        Raises:
            ConfigError: ``start`` was not called.
        """
        if self._state is None:
            raise ConfigError("the propagator has no state yet: call start(positions, velocities)")
        return self._state

    @property
    def n_force_calls(self) -> int:
        """Force calls per replica since ML took over."""
        return self.true.hamiltonian.n_calls - self.n_warmup_calls

    @torch.no_grad()
    def advance(self, n_steps: int, *, every: int = 1) -> Trajectory:
        """Advance ``n_steps`` and return the frames of the steps divisible by ``every``, [replica, time, atom, xyz]."""
        recorder = _FrameRecorder(every)
        end = self.state.step + n_steps
        while self.state.step < end:
            hamiltonian = self._is_hamiltonian(self.state.step)
            recorder.take([self._hamiltonian_step()] if hamiltonian else self._learned_stretch(end))
            if self.state.step % self.guard.check_every == 0:
                self._state = self.guard.check(self.state)
        return recorder.trajectory(self.state)

    def _is_hamiltonian(self, step: int) -> bool:
        if self.learned is None or step < self.start_step:
            return True
        return self.injection.schedule.is_hamiltonian(step - self.start_step)

    def _learned_stretch(self, end: int) -> Frames:
        """Steps up to the next injection, guard check or ``end``, in one call of the engine."""
        assert self.learned is not None
        state = self.state
        check_every = self.guard.check_every
        end = min(end, (state.step // check_every + 1) * check_every)
        stop = state.step + 1
        while stop < end and not self._is_hamiltonian(stop):
            stop += 1
        self._state, frames = self.engine.advance(state, self.learned, stop - state.step, dt_fs=self.system.dt_fs)
        self._past = ([kick for _, kick in reversed(frames[-N_PAST_KICKS:])] + self._past)[:N_PAST_KICKS]
        return frames

    def _hamiltonian_step(self) -> tuple[MDState, Tensor]:
        state = self.state
        predicted = None if self.learned is None else self.learned.kick(state)
        kick = self.true.kick(state) if self._first_kick is None else self._first_kick
        self._first_kick = None
        if self.learned is None:
            change = kick
        else:
            self.learned.accept(kick)
            change = (
                self._warm_up(state, kick) if state.step < self.start_step else self._inject(state, kick, predicted)
            )
            self._past = [kick, *self._past][:N_PAST_KICKS]
        self._state = drift(state, change, dt_fs=self.system.dt_fs)
        return state, change

    def _warm_up(self, state: MDState, kick: Tensor) -> Tensor:
        self.n_warmup_calls = self.true.hamiltonian.n_calls
        anchor, energy = self.injection.anchor, self.true.energy
        if anchor is not None and energy is not None and len(self._past) == N_PAST_KICKS:
            anchor.sample(state, energy, [kick, *self._past])
        if self.injection.schedule.listens:
            self._kick_square += float(kick.square().sum(dim=(-2, -1)).nanmedian()) / self.start_step
        return kick

    def _inject(self, state: MDState, kick: Tensor, predicted: Tensor | None) -> Tensor:
        schedule, anchor, energy = self.injection.schedule, self.injection.anchor, self.true.energy
        if schedule.listens and predicted is not None:
            distance = float((predicted - kick).norm(dim=(-2, -1)).nanmedian())
            schedule.hear(state.step - self.start_step, distance / self._kick_square**0.5)
        if anchor is None or energy is None:
            return kick
        return kick + anchor.correction(state, energy, [kick, *self._past])

    def state_dict(self) -> dict[str, Any]:
        """Everything a restart needs, tensors and plain values."""
        anchor = self.injection.anchor
        return {
            "step": self.state.step,
            "positions": self.state.positions,
            "velocities": self.state.velocities,
            "first_kick": self._first_kick,
            "past_kicks": list(self._past),
            "kick_square": self._kick_square,
            "n_calls": self.true.hamiltonian.n_calls,
            "n_warmup_calls": self.n_warmup_calls,
            "learned": None if self.learned is None else self.learned.state_dict(),
            "schedule": self.injection.schedule.state_dict(),
            "anchor": None if anchor is None else anchor.state_dict(),
            "guard": self.guard.state_dict(),
        }

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Continue where ``state_dict`` stopped; ``start`` with any state of the same shape must come first."""
        values = _on_device(values, self.device)
        self._state = MDState(values["step"], values["positions"], values["velocities"])
        self._first_kick = values["first_kick"]
        self._past = list(values["past_kicks"])
        self._kick_square = values["kick_square"]
        self.true.hamiltonian.n_calls = values["n_calls"]
        self.n_warmup_calls = values["n_warmup_calls"]
        if self.learned is not None:
            self.learned.load_state_dict(values["learned"])
        self.injection.schedule.load_state_dict(values["schedule"])
        if self.injection.anchor is not None and values["anchor"] is not None:
            self.injection.anchor.load_state_dict(values["anchor"])
        self.guard.load_state_dict(values["guard"])


def check_start(start_step: int, predictor: VelocityPredictor) -> None:
    """Refuse a start of ML before the predictor and the energy anchor have the history they read.

    Raises:
        ConfigError: with the least number of steps.
    """
    least = max(predictor.n_history, N_PAST_KICKS + 1)
    if start_step < least:
        raise ConfigError(
            f"start_step = {start_step} is too early: {predictor.spec.variant} with this memory needs "
            f"{least} Hamiltonian steps first"
        )


class _FrameRecorder:
    """Collects the frames of every so many steps."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.frames: Frames = []

    def take(self, frames: Frames) -> None:
        self.frames += [frame for frame in frames if frame[0].step % self.every == 0]

    def trajectory(self, like: MDState) -> Trajectory:
        """The frames with on-step velocities; an empty trajectory shaped like ``like`` where there is none."""
        steps = torch.tensor([state.step for state, _ in self.frames], dtype=torch.int64)
        if not self.frames:
            empty = like.positions.new_zeros(like.n_replicas, 0, *like.positions.shape[1:])
            return Trajectory(steps, empty, empty, empty)
        kicks = torch.stack([kick for _, kick in self.frames], dim=1)
        velocities = torch.stack([state.velocities for state, _ in self.frames], dim=1)
        positions = torch.stack([state.positions for state, _ in self.frames], dim=1)
        return Trajectory(steps, positions, velocities + 0.5 * kicks, kicks)


def _on_device(values: Any, device: torch.device) -> Any:
    """Nested dicts and lists with every tensor on ``device``."""
    if isinstance(values, Tensor):
        return values.to(device)
    if isinstance(values, dict):
        return {key: _on_device(value, device) for key, value in values.items()}
    return [_on_device(value, device) for value in values] if isinstance(values, list) else values


def reference_propagator(system: System, *, device: torch.device | str = "cpu") -> Propagator:
    """Velocity Verlet: a propagator whose every kick is Hamiltonian."""
    return Propagator(system, injection=Injection(Periodic(1.0)), predictor=None, device=device)
