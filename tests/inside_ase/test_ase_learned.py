import dataclasses

import numpy as np
import pytest
import torch
from ase import units
from ase.md.verlet import VelocityVerlet

from mlmd.ase import MLMD
from mlmd.ase.conversion import ASE_EV, AtomsHamiltonian, read_state
from mlmd.propagation import (
    Adaptive,
    AutoEngine,
    Burst,
    Dynamics,
    EnergyAnchor,
    Injection,
    Periodic,
    Propagator,
)

N_STEPS = 260

INJECTIONS = {
    "never": lambda: Injection(Periodic(0.0)),
    "periodic": lambda: Injection(Periodic(0.1)),
    "spread": lambda: Injection(Periodic(0.02, spread=0.8)),
    "burst": lambda: Injection(Burst(0.2, length=4)),
    "adaptive": lambda: Injection(Adaptive(tolerance=0.3, shortest=3, longest=24)),
    "anchored": lambda: Injection(Periodic(0.1), EnergyAnchor()),
}


class InEVOfASE:
    """A bond in the unit of energy of ASE's constants."""

    def __init__(self, bond):
        self.bond = bond

    def energy_and_forces(self, positions):
        energy, forces = self.bond.energy_and_forces(positions)
        return energy * ASE_EV, forces * ASE_EV


def propagated(system, predictor, injection, states, n_steps=N_STEPS):
    """The same run by a propagator alone."""
    system = dataclasses.replace(system, hamiltonian=InEVOfASE(system.hamiltonian))
    propagator = Propagator.begin(
        Dynamics(system=system, injection=injection, predictor=predictor, start_step=20), *states
    )
    return propagator, propagator.advance(n_steps + 1)


def followed(dynamics, n_steps=N_STEPS):
    atoms, seen = dynamics.atoms, []
    dynamics.attach(lambda: seen.append((atoms.get_positions(), atoms.get_velocities() * units.fs)))
    dynamics.run(n_steps)
    return tuple(np.array(values) for values in zip(*seen, strict=True))


@pytest.mark.parametrize("name", INJECTIONS)
def test_it_gives_the_trajectory_of_the_propagator(atoms, hcl_harmonic, wrong, make_dynamics, name):
    states = read_state(atoms)
    dynamics = make_dynamics(wrong, injection=INJECTIONS[name](), energy_zero_eV=0.0)
    positions, velocities = followed(dynamics)
    propagator, run = propagated(hcl_harmonic, wrong, INJECTIONS[name](), states)
    assert np.array_equal(positions, run.positions[0].numpy())
    np.testing.assert_allclose(velocities, run.velocities[0].numpy(), rtol=1e-13, atol=1e-16)  # through momenta
    assert dynamics.n_warmup_calls == propagator.n_warmup_calls == 20
    assert dynamics.n_force_calls == propagator.n_force_calls
    assert atoms.calc.n_calculations == 20 + dynamics.n_force_calls
    assert (dynamics.n_force_calls > 0) == (name != "never")


def test_the_compiled_engine_gives_the_same_trajectory(atoms, hcl_harmonic, exact, make_dynamics):
    states = read_state(atoms)
    positions, _ = followed(make_dynamics(exact, engine=AutoEngine()))
    _, run = propagated(hcl_harmonic, exact, Injection(Periodic(0.1)), states)
    np.testing.assert_allclose(positions, run.positions[0].numpy(), rtol=0, atol=1e-8)


def test_the_linear_map_of_a_harmonic_bond_keeps_energy_and_momenta_without_forces(
    atoms, make_atoms, hcl_harmonic, exact, make_dynamics
):
    system = make_atoms(hcl_harmonic)

    def conserved(moved, dynamics):
        values = []

        def look():
            momentum, angular = moved.get_momenta().sum(axis=0), moved.get_angular_momentum()
            # Asked of the bond, not of the atoms: a look is nobody's force call.
            potential = float(hcl_harmonic.hamiltonian.energy_and_forces(torch.from_numpy(moved.positions))[0])
            values.append([potential + moved.get_kinetic_energy(), *momentum, *angular])

        dynamics.attach(look)
        dynamics.run(N_STEPS)
        return np.array(values)

    ours = conserved(atoms, make_dynamics(exact, injection=0.0))
    theirs = conserved(system, VelocityVerlet(system, 0.5 * units.fs))
    # Verlet's own energy goes up and down with the bond; on-step velocities taken half a step off would double that.
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], rtol=2e-5)
    np.testing.assert_allclose(ours[:, 1:], np.broadcast_to(ours[0, 1:], ours[:, 1:].shape), rtol=0, atol=1e-9)
    assert atoms.calc.n_calculations == 20


@pytest.mark.parametrize("start_step", [9, 15])
def test_ml_takes_over_at_the_start_step(atoms, exact, make_dynamics, start_step):
    dynamics = make_dynamics(exact, injection=0.1, start_step=start_step)
    has_forces = []
    dynamics.attach(lambda: has_forces.append(dynamics.has_forces))
    dynamics.run(60)
    expected = [n < start_step or (n - start_step) % 10 == 9 for n in range(61)]
    assert has_forces == expected
    assert (dynamics.n_warmup_calls, dynamics.n_force_calls) == (start_step, sum(expected[start_step:]))


def test_ml_starts_as_soon_as_it_can_by_default(atoms, exact):
    dynamics = MLMD(atoms, 0.5 * units.fs, exact, injection=0.0)
    dynamics.run(40)
    assert dynamics.n_warmup_calls == exact.n_history
    assert dynamics.n_force_calls == 0


@pytest.mark.parametrize("change", ["positions", "momenta", "calculator"])
def test_a_change_from_outside_begins_anew(atoms, make_atoms, hcl_harmonic, wrong, make_dynamics, change):
    dynamics = make_dynamics(wrong)
    dynamics.run(57)
    earlier = (dynamics.n_warmup_calls, dynamics.n_force_calls)
    if change == "positions":
        atoms.positions[1] += [0.01, 0.0, 0.02]
    elif change == "momenta":
        atoms.set_momenta(1.1 * atoms.get_momenta())
    else:
        atoms.calc = make_atoms(hcl_harmonic).calc
    states = read_state(atoms)
    positions, velocities = followed(dynamics, 40)
    _, run = propagated(hcl_harmonic, wrong, Injection(Periodic(0.1)), states, 40)
    assert np.array_equal(positions, run.positions[0, 1:].numpy())  # step 57 was observed by the first run
    np.testing.assert_allclose(velocities, run.velocities[0, 1:].numpy(), rtol=1e-13, atol=1e-16)
    assert (dynamics.n_warmup_calls, dynamics.n_force_calls) == (earlier[0] + 20, earlier[1] + 2)


def test_velocities_set_to_what_they_are_change_nothing(atoms, wrong, make_dynamics):
    dynamics = make_dynamics(wrong)
    for _ in range(10):
        dynamics.run(9)
        atoms.set_velocities(atoms.get_velocities())
        atoms.set_positions(atoms.get_positions())
    assert dynamics.n_warmup_calls == 20


def test_the_anchor_holds_the_energy_of_a_wrong_predictor(make_atoms, hcl_harmonic, wrong, make_dynamics):
    def energy_error(anchor):
        atoms, energies = make_atoms(hcl_harmonic), []
        dynamics = make_dynamics(wrong, atoms, injection=Injection(Periodic(0.1), anchor), energy_zero_eV=0.0)
        dynamics.attach_at_force_calls(lambda: energies.append(atoms.get_total_energy()))
        dynamics.run(1500)
        return abs(np.mean(energies[-20:]) / np.mean(energies[:20]) - 1)

    assert energy_error(EnergyAnchor()) < 0.02 < energy_error(None)


def test_energies_are_asked_for_only_with_an_anchor(atoms):
    positions = torch.from_numpy(atoms.get_positions())[None]
    hamiltonian = AtomsHamiltonian(atoms)
    assert hamiltonian.energy_and_forces(positions)[0].isnan().all()
    hamiltonian.energy_zero_eV = -3.0
    assert float(hamiltonian.energy_and_forces(positions)[0]) == pytest.approx(atoms.get_potential_energy() + 3.0)
