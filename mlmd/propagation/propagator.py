"""The propagator: one loop for reference dynamics, MLMD, injection, delayed activation and learning on the fly."""

from typing import Any

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.io.migrations import RESTART_VERSION, VERSION_KEY, migrate_restart
from mlmd.models import VelocityPredictor
from mlmd.propagation.callbacks import HamiltonianStep, Listener
from mlmd.propagation.divergence import DivergenceGuard
from mlmd.propagation.engines import N_PAST_KICKS, EagerEngine, Engine, drift
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.injection import Injection, Periodic
from mlmd.propagation.kicks import HamiltonianKick, LearnedKick
from mlmd.propagation.warm_start import follow_known
from mlmd.state import MDState, Trajectory
from mlmd.systems import System


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
        listener: hears of every Hamiltonian step.

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
        listener: Listener | None = None,
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
        self.listener = listener
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
        if self.learned is not None:
            self.engine.bind(self.learned)
        self.guard.bind(self.system, device=self.device)
        if self.injection.anchor is not None:
            self.injection.anchor.bind(self.system, device=self.device)
        self.n_warmup_calls = 0 if self.learned is None else self.true.hamiltonian.n_calls
        self._past: list[Tensor] = []
        self._kick_square = 0.0
        self._was_handed_over = False

    @torch.no_grad()
    def hand_over(self, predictor: VelocityPredictor, known: Trajectory) -> None:
        """Let ML kick from the present step on; its memory reads the steps just before, at no force call.

        An energy anchor keeps the reference that it has, or must be given one.

        Args:
            predictor: trained predictor, on the device of the states.
            known: the frames up to the present step, stride 1, whose kicks are those that were taken.

        Raises:
            ConfigError: fewer frames than the predictor reads.
            MismatchError: the predictor belongs to another system or time step.
        """
        predictor.spec.check_system(self.system)
        check_start(len(known), predictor)
        if not self._was_handed_over:
            self._was_handed_over, self.n_warmup_calls = True, self.true.hamiltonian.n_calls
        self.predictor, self.start_step = predictor, self.state.step
        self.learned = follow_known(predictor, known.to(self.device), self.engine)
        self._past = [known.kicks[:, -back].to(self.device) for back in range(1, N_PAST_KICKS + 1)]
        self._kick_square = float(known.kicks.square().sum(dim=(-2, -1)).nanmedian(dim=0).values.mean())
        self.injection.schedule.reset()

    def take_back(self) -> None:
        """Let the Hamiltonian kick from the present step on."""
        self.predictor = self.learned = None

    def rewind(self, values: dict[str, Any]) -> None:
        """Go back to what ``state_dict`` said earlier in this run; the force calls made since stay counted."""
        n_calls = self.true.hamiltonian.n_calls
        self.load_state_dict(values)
        self.true.hamiltonian.n_calls = n_calls

    @property
    def remembers(self) -> bool:
        """Whether forces depend, within their convergence, on the geometries before: a density that is reused does."""
        return bool(getattr(self.system.hamiltonian, "remembers", False))

    def forget(self) -> None:
        """Drop what the Hamiltonian remembers, so that going on from here and from a restart file is the same."""
        if self.remembers:
            self.system.hamiltonian.forget()  # type: ignore[attr-defined]  # those that remember can forget

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
        """Advance ``n_steps`` and return the frames of the steps divisible by ``every``, [replica, time, atom, xyz].

        Fewer steps where the listener ends it.
        """
        first = self.state.step
        end = first + n_steps
        frames = FrameBuffer(self.state, first_step=first, n_steps=n_steps, every=every)
        is_over = False
        while self.state.step < end and not is_over:
            n_learned = self._n_learned(end)
            if n_learned:
                self._learned_stretch(n_learned, frames)
            else:
                is_over = self._hamiltonian_step(frames)
            if self.state.step % self.guard.check_every == 0:
                self._state = self.guard.check(self.state)
        return frames.trajectory(until=self.state.step)

    def _n_learned(self, end: int) -> int:
        """Learned steps from the present one up to the next injection, guard check or ``end``."""
        step, check_every = self.state.step, self.guard.check_every
        if self.learned is None or step < self.start_step:
            return 0
        end = min(end, (step // check_every + 1) * check_every)
        return self.injection.schedule.next_hamiltonian(step - self.start_step, end - self.start_step) + (
            self.start_step - step
        )

    def _learned_stretch(self, n_steps: int, frames: FrameBuffer) -> None:
        assert self.learned is not None
        self._state, kicks = self.engine.advance(
            self.state, self.learned, n_steps, dt_fs=self.system.dt_fs, frames=frames
        )
        self._past = [*kicks, *self._past][:N_PAST_KICKS]

    def _hamiltonian_step(self, frames: FrameBuffer) -> bool:
        """Whether the listener has heard enough."""
        state, predicted = self.state, None
        kick = self.true.kick(state) if self._first_kick is None else self._first_kick
        self._first_kick = None
        if self.learned is None:
            change = kick
        else:
            predicted = self.engine.follow(state, self.learned, kick)
            change = (
                self._warm_up(state, kick) if state.step < self.start_step else self._inject(state, kick, predicted)
            )
        assert self.true.energy is not None  # of the same call as the kick
        heard = HamiltonianStep(state, [kick, *self._past], self.true.energy, predicted)
        self._past = heard.kicks[:N_PAST_KICKS]
        frames.record(state, change)
        self._state = drift(state, change, dt_fs=self.system.dt_fs)
        return self.listener is not None and self.listener(heard)

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
        if self.learned is not None:
            self.engine.settle(self.learned)
        return {
            VERSION_KEY: RESTART_VERSION,
            "step": self.state.step,
            "positions": self.state.positions,
            "velocities": self.state.velocities,
            "first_kick": self._first_kick,
            "past_kicks": list(self._past),
            "kick_square": self._kick_square,
            "n_calls": self.true.hamiltonian.n_calls,
            "n_warmup_calls": self.n_warmup_calls,
            "was_handed_over": self._was_handed_over,
            "start_step": self.start_step,
            "learned": None if self.learned is None else self.learned.state_dict(),
            "schedule": self.injection.schedule.state_dict(),
            "anchor": None if anchor is None else anchor.state_dict(),
            "guard": self.guard.state_dict(),
        }

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Continue where ``state_dict`` stopped; ``start`` with any state of the same shape must come first."""
        values = _on_device(migrate_restart(values, start_step=self.start_step), self.device)
        self._state = MDState(values["step"], values["positions"], values["velocities"])
        self._first_kick = values["first_kick"]
        self._past = list(values["past_kicks"])
        self._kick_square = values["kick_square"]
        self.true.hamiltonian.n_calls = values["n_calls"]
        self.n_warmup_calls = values["n_warmup_calls"]
        self._was_handed_over = values["was_handed_over"]
        self.start_step = values["start_step"]
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
