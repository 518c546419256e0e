"""States that a predictor's own rollouts visit, and the kicks that it should have given there.

At a visited state r_n the predictor has read its own last kick u'_{n-1}, which is not u_{n-1} = dt F(r_{n-1})/m, the
Hamiltonian's. The target there is

    u*_n = u_n + (1 - c) (u'_{n-1} - u_{n-1}),

the Hamiltonian's kick at c = 1, and at c = 0 the Hamiltonian's *change* of the kick on top of the predictor's own last
one. Along reference trajectories both are the Hamiltonian's kick. The error u'_{n-1} - u_{n-1} is how far the positions
have drifted from what the kicks say of them; a history of velocities does not show it, so that a target with c = 1 asks
such a predictor for what it cannot know. The definition is our own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.models import VelocityPredictor
from mlmd.observables import kinetic_energy
from mlmd.propagation import Engine, Injection, Periodic, Propagator
from mlmd.propagation.kicks import HamiltonianKick
from mlmd.state import MDState, Trajectory
from mlmd.systems import System

ENERGY_GROWTH = 2.0
"""A replica whose total energy has grown by this factor has left the states that are worth learning from."""


@dataclass(frozen=True)
class VisitedStates:
    """Stretches of one length from rollouts of a predictor.

    Attributes:
        trajectory: [stretch, time, atom, xyz]; its kicks are the predictor's, its steps count from a stretch's start.
        target_kicks: what they should have been, same shape, A/fs.
        n_visited: states that the rollouts propagated.
        n_force_calls: of all replicas together, the warm-up of the predictor's memory and the injections included.
    """

    trajectory: Trajectory
    target_kicks: Tensor
    n_visited: int
    n_force_calls: int

    @property
    def n_stretches(self) -> int:
        """Stretches to learn from."""
        return self.trajectory.n_replicas

    @property
    def kept_share(self) -> float:
        """Part of the visited states that is learned from."""
        return self.n_stretches * len(self.trajectory) / self.n_visited

    def to(self, device: torch.device | str) -> "VisitedStates":
        """The same states on another device."""
        return VisitedStates(
            self.trajectory.to(device), self.target_kicks.to(device), self.n_visited, self.n_force_calls
        )


def join_visits(parts: list[VisitedStates]) -> VisitedStates:
    """The stretches of several visits, in their order."""
    fields = ("positions", "velocities", "kicks")
    joined = (torch.cat([getattr(part.trajectory, name) for part in parts]) for name in fields)
    return VisitedStates(
        Trajectory(parts[0].trajectory.steps, *joined),
        torch.cat([part.target_kicks for part in parts]),
        sum(part.n_visited for part in parts),
        sum(part.n_force_calls for part in parts),
    )


@torch.no_grad()
def visit_states(
    predictor: VelocityPredictor,
    system: System,
    initial: tuple[Tensor, Tensor],
    *,
    start_step: int,
    n_steps: int,
    length: int,
    correction: float,
    frequency: float,
    engine: Engine,
    device: torch.device | str = "cpu",
) -> VisitedStates:
    """Propagate with learned kicks and ask the Hamiltonian what they should have been.

    A replica counts up to where it left physics: its energy `ENERGY_GROWTH` times that at the takeover, or no number.
    Every state up to there costs a force call, the one that shows it included.

    Args:
        predictor: on ``device``.
        system: what is simulated.
        initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
        start_step: Hamiltonian steps before ML takes over.
        n_steps: steps after that.
        length: frames of a stretch; what is left of a replica beyond whole ones is dropped.
        correction: c, the part of the last kick's error that a target takes back.
        frequency: of bare Hamiltonian injections into the rollouts.
        engine: advances the rollouts.
        device: where.

    Returns:
        The stretches, on the CPU; none where every replica left physics at once.
    """
    propagator = Propagator(
        system,
        injection=Injection(Periodic(frequency)),
        predictor=predictor,
        start_step=start_step,
        device=device,
        engine=engine,
    )
    propagator.start(*initial)
    propagator.advance(start_step, every=start_step + 1)
    run = propagator.advance(n_steps)
    hamiltonian = HamiltonianKick(system, device=device)
    true = hamiltonian.kick(MDState(start_step, run.positions, run.velocities))
    assert hamiltonian.energy is not None  # of the call just made
    energy = hamiltonian.energy + kinetic_energy(run.velocities, system.masses(device))
    sound = (energy < ENERGY_GROWTH * energy[:, :1]).cumprod(dim=1).bool()
    asked = torch.cat((torch.ones_like(sound[:, :1]), sound[:, :-1]), dim=1) & energy.isfinite()
    targets = _targets(predictor, run, true, correction)

    n_replicas, n_whole = run.n_replicas, n_steps // length
    used = n_whole * length
    whole = sound[:, :used].reshape(n_replicas * n_whole, length).all(dim=1)

    def stretches(frames: Tensor) -> Tensor:
        cut = frames[:, :used].reshape(n_replicas * n_whole, length, *frames.shape[2:])
        return cut[whole].cpu()

    return VisitedStates(
        Trajectory(torch.arange(length), stretches(run.positions), stretches(run.velocities), stretches(run.kicks)),
        stretches(targets),
        n_visited=n_replicas * n_steps,
        n_force_calls=int(asked.sum()) + n_replicas * (propagator.n_warmup_calls + propagator.n_force_calls),
    )


def _targets(predictor: VelocityPredictor, run: Trajectory, true: Tensor, correction: float) -> Tensor:
    """u*_n of every frame; the first has no error of a last kick to take over."""
    if correction == 1:
        return true
    decomposition = predictor.decomposition
    frame = decomposition.frame(run.positions, run.velocities_before)
    # As components: in a frame that turns with the molecule an error turns with it.
    error = decomposition.project(frame, run.kicks - true)
    last = torch.cat((torch.zeros_like(error[:, :1]), error[:, :-1]), dim=1)
    return true + (1.0 - correction) * decomposition.decode(frame, last)
