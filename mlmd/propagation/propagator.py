"""The propagator: one loop for reference dynamics, MLMD, injection, delayed activation and learning on the fly."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mlmd.io.migrations import RESTART_VERSION, VERSION_KEY, migrate_restart
from mlmd.models import VelocityPredictor
from mlmd.propagation.callbacks import HamiltonianStep, Listener
from mlmd.propagation.divergence import DivergenceCheck, kick_of_survivors
from mlmd.propagation.dynamics import Dynamics, check_start, check_state
from mlmd.propagation.energy_correction import EnergyCorrection, EnergyReference
from mlmd.propagation.engines import N_PAST_KICKS, drift
from mlmd.propagation.frames import FrameBuffer
from mlmd.propagation.kicks import HamiltonianKick, LearnedKick
from mlmd.propagation.warm_start import follow_known
from mlmd.state import MDState, Trajectory


class Propagator:
    """Propagates a batch of replicas with Hamiltonian and learned kicks; made by `begin` or `restore`.

    Up to ``start_step`` every kick is Hamiltonian and fills the predictor's memory; from then on the kick is learned
    except at the steps of the injection schedule. Restoring what ``state_dict`` wrote gives the trajectory that
    never stopping would have given.

    Attributes:
        dynamics: what is propagated and how.
        state: the present state, r_n and v_{n-1/2}.
        learned: the learned kick; None where every kick is Hamiltonian.
        start_step: first step at which it may.
        listener: is called at every Hamiltonian step.
        true: the Hamiltonian kick; counts force calls.
        injected: what the run knows of its injections.
        n_warmup_calls: force calls of a replica before ML took over.
    """

    def __init__(
        self, dynamics: Dynamics, state: MDState, *, predictor: VelocityPredictor | None, listener: Listener | None
    ) -> None:
        system, device = dynamics.system, torch.device(dynamics.device)
        self.dynamics, self.system, self.device = dynamics, system, device
        self.state = state
        self.start_step = dynamics.start_step
        self.listener = listener
        self.true = HamiltonianKick(system, device=device)
        self.learned: LearnedKick | None = None
        if predictor is not None:
            self.learned = LearnedKick(predictor, state.n_replicas)
            dynamics.engine.bind(self.learned)
        anchor = dynamics.injection.anchor
        self._correction = None if anchor is None else EnergyCorrection(anchor, system, device=device)
        self.injected = dynamics.injection.init()
        self.divergence = DivergenceCheck(dynamics.guard, system, device=device)
        self.n_warmup_calls = 0
        self._first_kick: Tensor | None = None
        self._past: list[Tensor] = []
        self._kick_square = 0.0
        self._was_handed_over = False

    @classmethod
    @torch.no_grad()
    def begin(
        cls, dynamics: Dynamics, positions: Tensor, velocities: Tensor, *, listener: Listener | None = None
    ) -> "Propagator":
        """A run from on-step positions r_0 and velocities v_0.

        v_{-1/2} = v_0 - u_0 / 2 takes one force call, whose kick serves step 0 as well.

        Args:
            dynamics: what is propagated and how.
            positions: float64 [replica, atom, xyz], A.
            velocities: float64 [replica, atom, xyz], A/fs.
            listener: is called at every Hamiltonian step.

        Raises:
            MismatchError: the state is not one of the system.
        """
        check_state(dynamics.system, positions, velocities)
        state = MDState(0, positions.to(dynamics.device), velocities.to(dynamics.device))
        run = cls(dynamics, state, predictor=dynamics.predictor, listener=listener)
        run._first_kick = run.true.kick(state)
        run.state = MDState(0, state.positions, state.velocities - 0.5 * run._first_kick)
        run.n_warmup_calls = 0 if run.learned is None else run.true.hamiltonian.n_calls
        return run

    @classmethod
    def restore(
        cls,
        dynamics: Dynamics,
        saved: dict[str, Any],
        *,
        predictor: VelocityPredictor | None = None,
        listener: Listener | None = None,
    ) -> "Propagator":
        """The run of which ``state_dict`` wrote ``saved``, at no force call.

        Args:
            dynamics: what is propagated and how, as when the run began.
            saved: tensors and plain values.
            predictor: the one that the run was handed over to, if it was; else that of ``dynamics``.
            listener: is called at every Hamiltonian step.

        Raises:
            DataError: a newer mlmd wrote it.
            MismatchError: the state is not one of the system.
        """
        saved = migrate_restart(saved, start_step=dynamics.start_step)
        check_state(dynamics.system, saved["positions"], saved["velocities"])
        state = MDState(saved["step"], saved["positions"].to(dynamics.device), saved["velocities"].to(dynamics.device))
        chosen = None if saved["learned"] is None else predictor or dynamics.predictor
        run = cls(dynamics, state, predictor=chosen, listener=listener)
        run._load_state_dict(saved)
        dynamics.forget()
        return run

    @torch.no_grad()
    def hand_over(
        self, predictor: VelocityPredictor, known: Trajectory, *, reference: EnergyReference | None = None
    ) -> None:
        """Let ML kick from the present step on; its memory reads the steps just before, at no force call.

        Args:
            predictor: trained predictor, on the device of the states.
            known: the frames up to the present step, stride 1, whose kicks are those that were taken.
            reference: mean energy to which an energy anchor returns; what it has so far where None.

        Raises:
            ConfigError: fewer frames than the predictor reads.
            MismatchError: the predictor belongs to another system or time step.
        """
        predictor.spec.check_system(self.system)
        check_start(len(known), predictor)
        if not self._was_handed_over:
            self._was_handed_over, self.n_warmup_calls = True, self.true.hamiltonian.n_calls
        self.start_step = self.state.step
        self.learned = follow_known(predictor, known.to(self.device), self.dynamics.engine)
        self._past = [known.kicks[:, -back].to(self.device) for back in range(1, N_PAST_KICKS + 1)]
        self._kick_square = float(known.kicks.square().sum(dim=(-2, -1)).nanmedian(dim=0).values.mean())
        self.injected = replace(self.dynamics.injection.init(), reference=reference or self.injected.reference)

    def end_ml(self) -> None:
        """Let the Hamiltonian kick from the present step on."""
        self.learned = None

    def rewind(self, saved: dict[str, Any]) -> None:
        """Go back to an earlier ``state_dict`` of this run; the force calls made since stay counted."""
        n_calls = self.true.hamiltonian.n_calls
        self._load_state_dict(saved)
        self.true.hamiltonian.n_calls = n_calls

    @property
    def predictor(self) -> VelocityPredictor | None:
        """The predictor that kicks; None where every kick is Hamiltonian."""
        return None if self.learned is None else self.learned.predictor

    @property
    def n_force_calls(self) -> int:
        """Force calls per replica since ML took over."""
        return self.true.hamiltonian.n_calls - self.n_warmup_calls

    @property
    def diverged_at(self) -> dict[int, int]:
        """Step at which a replica was found diverged, by replica."""
        return self.divergence.diverged_at

    @torch.no_grad()
    def advance(self, n_steps: int, *, every: int = 1) -> Trajectory:
        """Advance ``n_steps`` and return the frames of the steps divisible by ``every``, [replica, time, atom, xyz].

        Fewer steps where the listener ends it.
        """
        first, check_every = self.state.step, self.dynamics.guard.check_every
        end = first + n_steps
        frames = FrameBuffer(self.state, first_step=first, n_steps=n_steps, every=every)
        is_over = False
        while self.state.step < end and not is_over:
            n_learned = self._n_learned(end)
            if n_learned:
                self._learned_stretch(n_learned, frames)
            else:
                is_over = self._hamiltonian_step(frames)
            if self.state.step % check_every == 0:
                self.state = self.divergence(self.state, self._departed())
        return frames.trajectory(until=self.state.step)

    def _n_learned(self, end: int) -> int:
        """Learned steps from the present one up to the next injection, divergence check or ``end``."""
        step, check_every = self.state.step, self.dynamics.guard.check_every
        if self.learned is None or step < self.start_step:
            return 0
        end = min(end, (step // check_every + 1) * check_every)
        return self.injected.schedule.next_hamiltonian(step - self.start_step, end - self.start_step) + (
            self.start_step - step
        )

    def _learned_stretch(self, n_steps: int, frames: FrameBuffer) -> None:
        assert self.learned is not None
        self.state, kicks = self.dynamics.engine.advance(
            self.state, self.learned, n_steps, dt_fs=self.system.dt_fs, frames=frames
        )
        self._past = [*kicks, *self._past][:N_PAST_KICKS]

    def _hamiltonian_step(self, frames: FrameBuffer) -> bool:
        """Whether the listener ends the present call of `advance`."""
        kick = self._first_kick
        if kick is None and self.listener is None:
            self.state, kick = kick_of_survivors(self.true, self.state, self.divergence, self._departed)
        elif kick is None:  # a listener decides by itself what follows from a failure
            kick = self.true.kick(self.state)
        state, predicted = self.state, None
        self._first_kick = None
        if self.learned is None:
            change = kick
        else:
            predicted = self.dynamics.engine.follow(state, self.learned, kick)
            change = (
                self._warm_up(state, kick) if state.step < self.start_step else self._inject(state, kick, predicted)
            )
        assert self.true.energy is not None  # of the same call as the kick
        report = HamiltonianStep(state, [kick, *self._past], self.true.energy, predicted)
        self._past = report.kicks[:N_PAST_KICKS]
        frames.record(state, change)
        self.state = drift(state, change, dt_fs=self.system.dt_fs)
        return self.listener is not None and self.listener(report)

    def _departed(self) -> Tensor | None:
        return None if self.predictor is None else self.predictor.decomposition.departed(self.state.positions)

    def _warm_up(self, state: MDState, kick: Tensor) -> Tensor:
        self.n_warmup_calls = self.true.hamiltonian.n_calls
        energy = self.true.energy
        if self._correction is not None and energy is not None and len(self._past) == N_PAST_KICKS:
            sample = self._correction.energy(state, energy, [kick, *self._past])
            self.injected = replace(self.injected, reference=self.injected.reference.with_sample(sample))
        if self.injected.schedule.adapts:
            self._kick_square += float(kick.square().sum(dim=(-2, -1)).nanmedian()) / self.start_step
        return kick

    def _inject(self, state: MDState, kick: Tensor, predicted: Tensor | None) -> Tensor:
        injected, energy = self.injected, self.true.energy
        if injected.schedule.adapts and predicted is not None:
            distance = float((predicted - kick).norm(dim=(-2, -1)).nanmedian())
            step, disagreement = state.step - self.start_step, distance / self._kick_square**0.5
            self.injected = replace(injected, schedule=injected.schedule.adapted(step, disagreement))
        if self._correction is None or energy is None:
            return kick
        return kick + self._correction.correction(state, energy, [kick, *self._past], injected.reference)

    def state_dict(self) -> dict[str, Any]:
        """Everything a restart needs, tensors and plain values."""
        if self.learned is not None:
            self.dynamics.engine.sync_memory(self.learned)
        injected = self.injected.to_dict()
        return {
            VERSION_KEY: RESTART_VERSION,
            "step": self.state.step,
            "positions": self.state.positions,
            "velocities": self.state.velocities,
            "first_kick": self._first_kick,
            "first_energy": None if self._first_kick is None else self.true.energy,
            "past_kicks": list(self._past),
            "kick_square": self._kick_square,
            "n_calls": self.true.hamiltonian.n_calls,
            "n_warmup_calls": self.n_warmup_calls,
            "was_handed_over": self._was_handed_over,
            "start_step": self.start_step,
            "learned": None if self.learned is None else self.learned.state_dict(),
            "schedule": injected["schedule"],
            "anchor": None if self._correction is None else injected["anchor"],
            "guard": {"diverged_at": dict(self.diverged_at)},
        }

    def _load_state_dict(self, saved: dict[str, Any]) -> None:
        saved = _on_device(saved, self.device)
        self.state = MDState(saved["step"], saved["positions"], saved["velocities"])
        self.true.energy = saved["first_energy"]
        self._first_kick = None if self.true.energy is None else saved["first_kick"]
        self._past = list(saved["past_kicks"])
        self._kick_square = saved["kick_square"]
        self.true.hamiltonian.n_calls = saved["n_calls"]
        self.n_warmup_calls = saved["n_warmup_calls"]
        self._was_handed_over = saved["was_handed_over"]
        self.start_step = saved["start_step"]
        if self.learned is not None:
            self.learned.load_state_dict(saved["learned"])
        self.injected = self.dynamics.injection.restored(saved)
        self.divergence.diverged_at = dict(saved["guard"]["diverged_at"])


def _on_device(values: Any, device: torch.device) -> Any:
    """Nested dicts and lists with every tensor on ``device``."""
    if isinstance(values, Tensor):
        return values.to(device)
    if isinstance(values, dict):
        return {key: _on_device(value, device) for key, value in values.items()}
    return [_on_device(value, device) for value in values] if isinstance(values, list) else values
