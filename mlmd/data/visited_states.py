"""Collects states that the rollouts of a predictor visit, with the kicks that it should have predicted there.

At a visited state r_n the input of the predictor is its own last kick u'_{n-1}, which differs from the Hamiltonian kick
u_{n-1} = dt F(r_{n-1})/m. The target kick is

    u*_n = u_n + (1 - c) (u'_{n-1} - u_{n-1}).

With c = 1 it is the Hamiltonian kick. With c = 0 it is the last predicted kick plus the *change* of the Hamiltonian
kick. Along reference trajectories both are the Hamiltonian kick. The error u'_{n-1} - u_{n-1} comes from the drift of
the positions. A history of velocities does not contain it, so a predictor without coordinates cannot fit targets with
c = 1. This definition is our own.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.models import VelocityPredictor
from mlmd.observables import kinetic_energy
from mlmd.propagation import Dynamics, Engine, Injection, Periodic, Propagator
from mlmd.propagation.kicks import HamiltonianKick
from mlmd.state import MDState, Trajectory
from mlmd.systems import System

ENERGY_GROWTH = 2.0
"""Growth factor of the total energy of a replica above which its states are not used."""


@dataclass(frozen=True)
class VisitedStates:
    """Stretches of one length from rollouts of a predictor.

    Attributes:
        trajectory: [stretch, time, atom, xyz]; kicks are the predicted ones, steps count from the start of a stretch.
        target_kicks: target kicks u*_n, same shape, A/fs.
        n_visited: number of states that the rollouts visited.
        n_force_calls: force calls of all replicas, those of the warm-up and of injections included.
    """

    trajectory: Trajectory
    target_kicks: Tensor
    n_visited: int
    n_force_calls: int

    @property
    def n_stretches(self) -> int:
        """Number of stretches."""
        return self.trajectory.n_replicas

    @property
    def kept_share(self) -> float:
        """Part of the visited states that is kept."""
        return self.n_stretches * len(self.trajectory) / self.n_visited

    def to(self, device: torch.device | str) -> "VisitedStates":
        """The same states on another device."""
        return VisitedStates(
            self.trajectory.to(device), self.target_kicks.to(device), self.n_visited, self.n_force_calls
        )


def join_visited_states(parts: list[VisitedStates]) -> VisitedStates:
    """Concatenate the stretches of several collections."""
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
    """Propagate with learned kicks, and compute the target kick at every visited state.

    A replica is used until its total energy exceeds `ENERGY_GROWTH` times that at the takeover or is not finite. Every
    state up to that one, itself included, is counted as one force call.

    Args:
        predictor: trained predictor, on ``device``.
        system: the simulated system.
        initial: on-step positions (A) and velocities (A/fs), [replica, atom, xyz].
        start_step: number of Hamiltonian steps before ML takes over.
        n_steps: number of steps after that.
        length: frames of a stretch; the remainder of a replica is dropped.
        correction: c, the part of the error of the last kick that the target corrects.
        frequency: frequency of force injections into the rollouts.
        engine: advances the rollouts.
        device: device of the rollouts.

    Returns:
        The stretches, on the CPU; none if every replica diverged at once.
    """
    dynamics = Dynamics(
        system=system,
        injection=Injection(Periodic(frequency)),
        predictor=predictor,
        start_step=start_step,
        device=device,
        engine=engine,
    )
    propagator = Propagator.begin(dynamics, *initial)
    propagator.advance(start_step, every=start_step + 1)
    run = propagator.advance(n_steps)
    hamiltonian = HamiltonianKick(system, device=device)
    true = hamiltonian.kick(MDState(start_step, run.positions, run.velocities))
    assert hamiltonian.energy is not None  # of the call just made
    energy = hamiltonian.energy + kinetic_energy(run.velocities, system.masses(device))
    kept = (energy < ENERGY_GROWTH * energy[:, :1]).cumprod(dim=1).bool()
    counted = torch.cat((torch.ones_like(kept[:, :1]), kept[:, :-1]), dim=1) & energy.isfinite()
    targets = _targets(predictor, run, true, correction)

    n_replicas, n_whole = run.n_replicas, n_steps // length
    used = n_whole * length
    whole = kept[:, :used].reshape(n_replicas * n_whole, length).all(dim=1)

    def stretches(frames: Tensor) -> Tensor:
        cut = frames[:, :used].reshape(n_replicas * n_whole, length, *frames.shape[2:])
        return cut[whole].cpu()

    return VisitedStates(
        Trajectory(torch.arange(length), stretches(run.positions), stretches(run.velocities), stretches(run.kicks)),
        stretches(targets),
        n_visited=n_replicas * n_steps,
        n_force_calls=int(counted.sum()) + n_replicas * (propagator.n_warmup_calls + propagator.n_force_calls),
    )


def _targets(predictor: VelocityPredictor, run: Trajectory, true: Tensor, correction: float) -> Tensor:
    """u*_n of every frame; the first frame has no last kick, so its target is u_n."""
    if correction == 1:
        return true
    decomposition = predictor.decomposition
    frame = decomposition.frame(run.positions, run.velocities_before)
    # The error is carried over as components, so that it rotates with a frame that rotates with the molecule.
    error = decomposition.project(frame, run.kicks - true)
    last = torch.cat((torch.zeros_like(error[:, :1]), error[:, :-1]), dim=1)
    return true + (1.0 - correction) * decomposition.decode(frame, last)
