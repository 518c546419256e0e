"""Molecular dynamics that trains its own predictor while it runs.

It starts as plain MD. Once enough steps are known a predictor is trained on them and has to find held-out ones by
itself (`trial`). One that passes takes over; at every injection the true kick and the energy, which come with the same
force call, are watched (`watch`). Where one leaves its band, the steps since the last injection that was in order are
given up, the Hamiltonian takes over from there, and what it adds to the known steps is learned from in turn.

Everything is decided by states and counts, nothing by the clock, so a resumed run is the uninterrupted one.
"""

import math
from typing import Any

from torch import Tensor

from mlmd.decomposition import Decomposition
from mlmd.errors import CalculatorError, ConfigError, PhysicsError
from mlmd.io.migrations import ON_THE_FLY_VERSION, VERSION_KEY, migrate_on_the_fly
from mlmd.models import VelocityPredictor
from mlmd.on_the_fly.backend import RunProgress, Surroundings
from mlmd.on_the_fly.cost import Ledger
from mlmd.on_the_fly.known_steps import History
from mlmd.on_the_fly.monitor import Signal, Watch, require_bound
from mlmd.on_the_fly.plan import OnTheFlyPlan
from mlmd.on_the_fly.run_state import HAMILTONIAN, LEARNED, Standing
from mlmd.on_the_fly.validation import Verdict, try_predictor
from mlmd.propagation import Dynamics, HamiltonianStep, Propagator
from mlmd.state import Trajectory

SAVE_EVERY_HAMILTONIAN, SAVE_EVERY_LEARNED = 100, 2000
"""Steps between two saves: what a killed run has to do again."""

PIECE_STEPS = 5000
"""Steps that are propagated at once where no injection comes."""


class OnTheFly:
    """One run.

    Args:
        dynamics: without a predictor, its injection the one that ML is to run with; `begin` or `restore`, then `run`.
        plan: lengths and bands.
        surroundings: training, storage and words.
        ledger: what it costs.
        least_steps: frames of the shortest stretch that can be learned from.
        every: steps between two frames that are kept.
        decomposition: of the predictors; its domain is checked from the first step on.

    Attributes:
        standing: where it stands.
        history: the known steps.
        signals: of all injections that stood.
        verdicts: by number of the training.

    Raises:
        ConfigError: the injection never injects, so nothing could be watched.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        plan: OnTheFlyPlan,
        surroundings: Surroundings,
        ledger: Ledger,
        *,
        least_steps: int,
        every: int = 1,
        decomposition: Decomposition[Any],
    ) -> None:
        if dynamics.injection.schedule.next_hamiltonian(0, 10**7) == 10**7:
            raise ConfigError("on-the-fly learning watches its injections: take one that injects, not injection=never")
        self.dynamics = dynamics
        self.plan = plan
        self.surroundings = surroundings
        self.ledger = ledger
        self.least_steps = least_steps
        self.every = every
        self.decomposition = decomposition
        self.propagator: Propagator
        self.standing = Standing(HAMILTONIAN, plan.first_steps)
        self.history = History()
        self.watch = self._fresh_watch()
        self._since_fallback: Watch | None = None
        self.signals: list[Signal] = []
        self.verdicts: dict[int, Verdict] = {}
        self._new_signals: list[Signal] = []

    def begin(self, positions: Tensor, velocities: Tensor) -> None:
        """Begin at on-step positions (A) and velocities (A/fs), float64 [replica, atom, xyz]."""
        self.propagator = Propagator.begin(self.dynamics, positions, velocities, listener=self._on_hamiltonian_step)

    @property
    def step(self) -> int:
        """Present step."""
        return self.propagator.state.step

    @property
    def n_force_calls(self) -> int:
        """Force calls of every replica so far."""
        return self.propagator.true.hamiltonian.n_calls

    @property
    def frequency(self) -> float:
        """Force calls over steps since ML first took over, fallbacks included."""
        since = self.standing.takeover_step
        n_steps = 0 if since is None else self.step - since
        return self.propagator.n_force_calls / n_steps if n_steps else math.nan

    @property
    def progress(self) -> RunProgress:
        """How far it is."""
        excess = self.signals[-1].energy_excess if self.signals else None
        speed_up = self.ledger.speed_up(self.step, self.n_force_calls)
        return RunProgress(self.standing.phase, self.step, self.frequency, excess, speed_up)

    def run(self, n_steps: int) -> None:
        """Run to step ``n_steps``.

        Raises:
            PhysicsError: a molecule has left the domain of its decomposition under true forces.
            CalculatorError: forces cannot be had; the last save stands.
        """
        while self.step < n_steps:
            if self.standing.phase == LEARNED:
                self._advance_learned(n_steps)
            elif self.step == self.standing.until:
                self._learn()
            else:
                self._advance_known(n_steps)
        self._save()

    def _fresh_watch(self) -> Watch:
        return Watch(self.dynamics.system, device=self.dynamics.device)

    def _on_hamiltonian_step(self, true_step: HamiltonianStep) -> bool:
        if self.standing.phase == HAMILTONIAN:
            (self._since_fallback or self.watch).learn(true_step)
            return False
        self._new_signals.append(self.watch.measure(true_step))
        return True

    def _advance_known(self, n_steps: int) -> None:
        """A piece of the Hamiltonian stretch, up to the next save."""
        until = n_steps if self.standing.until is None else min(self.standing.until, n_steps)
        due = self.standing.saved_step + SAVE_EVERY_HAMILTONIAN
        frames = self.propagator.advance(min(until, due) - self.step)
        self._charge_forces()
        require_bound(self.dynamics.system, self.propagator.diverged_at)
        self._check_domain()
        self.history.append(frames)
        self.surroundings.keep(frames.thinned(self.every))
        self._note(None)
        self._save()

    def _learn(self) -> None:
        """Train on the known steps, validate, and hand over to ML or continue with the Hamiltonian."""
        standing, plan, propagator = self.standing, self.plan, self.propagator
        number = standing.n_rounds + 1
        self._adopt_new_energy()
        splits = self.history.split(held_out_steps=plan.held_out_steps, least_steps=self.least_steps)
        with self.ledger.spending("training"):
            predictor = self.surroundings.train(number, splits).to(propagator.device)
        with self.ledger.spending("trial"):
            verdict = self._try(predictor, splits["val"])
        standing.n_rounds, self.verdicts[number] = number, verdict
        if verdict.passes:
            self._hand_over(predictor)
        else:
            self._go_on(math.ceil(plan.growth * self.history.n_steps))
        self._note(verdict.words(number, plan, is_last=standing.until is None))
        self._save()

    def _try(self, predictor: VelocityPredictor, known: Trajectory) -> Verdict:
        return try_predictor(
            predictor,
            known.to(self.dynamics.device),
            self.dynamics.engine,
            n_steps=self.plan.validation_steps,
            allowed=self.plan.validation_error,
            masses=self.dynamics.system.masses(self.dynamics.device),
        )

    def _adopt_new_energy(self) -> None:
        """Where true steps since a fallback have another mean energy, what came before is of another Hamiltonian.

        Their own mean then counts, and only they are learned from. Otherwise the energy keeps the mean it had before
        ML.
        """
        fresh = self._since_fallback
        if fresh is not None and fresh.departs_from(self.watch, band=self.plan.energy_band):
            self.watch, self._since_fallback = fresh, None
            self.history.forget_all_but_last()
            self._note("the energy of the true steps has a new mean: what is known from before is left out")

    def _hand_over(self, predictor: VelocityPredictor) -> None:
        standing, self._since_fallback = self.standing, None
        known = self.history.last_frames(self.least_steps)
        self.propagator.hand_over(predictor, known, reference=self.watch.reference)
        standing.phase, standing.predictor = LEARNED, standing.n_rounds
        if standing.takeover_step is None:
            standing.takeover_step = self.step

    def _go_on(self, n_steps: int) -> None:
        """Let the Hamiltonian kick for so many steps, or to the end where no training is left."""
        standing = self.standing
        standing.phase, standing.predictor = HAMILTONIAN, 0
        standing.until = self.step + n_steps if standing.n_rounds < self.plan.max_rounds else None

    def _advance_learned(self, n_steps: int) -> None:
        """Up to and with the next injection; its steps stand where the signals are in order."""
        propagator = self.propagator
        start, pieces, reason = propagator.state_dict(), [], None
        self._new_signals = []
        with self.ledger.spending("learned"):
            try:
                while not self._new_signals and self.step < n_steps:
                    pieces.append(propagator.advance(min(PIECE_STEPS, n_steps - self.step), every=self.every))
                self._check_domain()
            except (CalculatorError, PhysicsError) as error:  # at a state that only wrong kicks may have led to
                reason = str(error)
        self._charge_forces(within="learned")
        reason = reason or self._why_not()
        if reason is not None:
            found_at = self.step
            propagator.rewind(start)
            propagator.end_ml()
            self.standing.n_fallbacks += 1
            self._since_fallback = self._fresh_watch()
            self._go_on(self.plan.fallback_steps)
            self._note(f"step {found_at}: {reason}; the Hamiltonian takes over from step {self.step}")
            self._save()
            return
        for frames in pieces:
            self.surroundings.keep(frames)
        self.signals += self._new_signals
        self._note(None)
        if self.step - self.standing.saved_step >= SAVE_EVERY_LEARNED:
            self._save()

    def _check_domain(self) -> None:
        system, positions = self.dynamics.system, self.propagator.state.positions
        self.decomposition.check_domain(positions, name=system.name, symbols=system.symbols, step=self.step)

    def _why_not(self) -> str | None:
        """What is out of order since the last injection, in words."""
        lost = self.propagator.diverged_at
        if lost:
            return f"replica {min(lost)} has diverged"
        for signal in self._new_signals:
            reason = signal.leaves(disagreement=self.plan.disagreement, energy_band=self.plan.energy_band)
            if reason is not None:
                return reason
        return None

    def _charge_forces(self, *, within: str | None = None) -> None:
        self.ledger.charge_forces(self.propagator.true.hamiltonian.take_seconds(), within=within)

    def _note(self, news: str | None) -> None:
        self.ledger.note(self.step, self.standing.phase, self.n_force_calls)
        self.surroundings.tell(self.progress, news)

    def _save(self) -> None:
        self.standing.saved_step = self.step
        self.dynamics.forget()
        self.surroundings.save(self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a restart file."""
        return {
            VERSION_KEY: ON_THE_FLY_VERSION,
            "standing": vars(self.standing).copy(),
            "propagator": self.propagator.state_dict(),
            "history": self.history.state_dict(),
            "watch": self.watch.state_dict(),
            "since_fallback": None if self._since_fallback is None else self._since_fallback.state_dict(),
            "ledger": self.ledger.state_dict(),
            "signals": [(signal.step, signal.disagreement, signal.energy_excess) for signal in self.signals],
            "verdicts": {number: (verdict.error, verdict.passes) for number, verdict in self.verdicts.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue what ``state_dict`` wrote, at no force call."""
        state = migrate_on_the_fly(state)
        self.standing = Standing(**state["standing"])
        self.history = History.from_state_dict(state["history"])
        self.watch.load_state_dict(state["watch"])
        if state["since_fallback"] is not None:
            self._since_fallback = self._fresh_watch()
            self._since_fallback.load_state_dict(state["since_fallback"])
        self.ledger.load_state_dict(state["ledger"])
        self.signals = [Signal(*signal) for signal in state["signals"]]
        self.verdicts = {number: Verdict(*verdict) for number, verdict in state["verdicts"].items()}
        number, is_learned = self.standing.predictor, self.standing.phase == LEARNED
        predictor = self.surroundings.load(number).to(self.dynamics.device) if is_learned else None
        self.propagator = Propagator.restore(
            self.dynamics, state["propagator"], predictor=predictor, listener=self._on_hamiltonian_step
        )
