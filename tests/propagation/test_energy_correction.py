import math

import pytest
import torch
from contracts.molecules import MOLECULES

from mlmd.decomposition import internal_velocity
from mlmd.errors import ConfigError
from mlmd.propagation import (
    EnergyAnchor,
    EnergyCorrection,
    EnergyReference,
    HamiltonianKick,
    Periodic,
    Propagator,
    modified_energy,
    reference_dynamics,
)
from mlmd.state import MDState
from mlmd.systems import RotatingRegime, ThermalRegime, VibratingRegime

A = 9.648533212e-3  # A/fs^2 of 1 u under 1 eV/A
REGIMES = [VibratingRegime(4.0), RotatingRegime(4.0, 2.0), ThermalRegime(300.0)]


@pytest.fixture(params=["hcl_harmonic", "hcl_morse"])
def hcl(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def bound(hcl):
    return EnergyCorrection(EnergyAnchor(), hcl, device="cpu")


def draw(system, regime, n_replicas=6):
    return regime.draw(system, n_replicas, generator=torch.Generator().manual_seed(3))


def modified_energies(system, run):
    """H~ of every frame from the fourth on, [replica, time - 3]."""
    potential = system.hamiltonian.energy_and_forces(run.positions)[0]
    return torch.stack(
        [
            modified_energy(
                run.velocities[:, n],
                potential[:, n],
                [run.kicks[:, n - back] for back in range(4)],
                system.masses()[:, None] / A,
            )
            for n in range(3, len(run))
        ],
        dim=1,
    )


@pytest.mark.parametrize("regime", REGIMES)
def test_verlet_keeps_the_modified_energy_where_it_does_not_keep_h(hcl, bound, total_energy, regime):
    propagator = Propagator.begin(reference_dynamics(hcl), *draw(hcl, regime))
    run = propagator.advance(400)
    modified, plain = modified_energies(hcl, run), total_energy(hcl, run)[:, 3:]
    assert float((plain.std(dim=1) / modified.std(dim=1)).min()) > 5
    torch.testing.assert_close(modified.mean(dim=1), plain.mean(dim=1), rtol=0.03, atol=0)


def test_modified_energy_is_the_written_formula(hcl, bound):
    positions, velocities = draw(hcl, VibratingRegime(4.0))
    propagator = Propagator.begin(reference_dynamics(hcl), positions, velocities)
    run = propagator.advance(60)
    constants = hcl.hamiltonian.constants
    mass_1, mass_2 = hcl.masses_u
    mu, dt = mass_1 * mass_2 / (mass_1 + mass_2), hcl.dt_fs
    bond = run.positions[:, :, 1] - run.positions[:, :, 0]
    relative = run.velocities[:, :, 1] - run.velocities[:, :, 0]
    length = bond.norm(dim=-1)
    rate = (bond * relative).sum(dim=-1) / length
    if type(hcl.hamiltonian).__name__ == "HarmonicBond":
        curvature = torch.full_like(length, constants.k_eV_per_A2)
    else:
        a = math.sqrt(constants.k_eV_per_A2 / (2 * constants.D_e_eV))
        decay = torch.exp(-a * (length - constants.r_e_A))
        curvature = 2 * a**2 * constants.D_e_eV * decay * (2 * decay - 1)
    potential, slope = hcl.hamiltonian.energy_and_slope(length)
    # One coordinate, J = 0: F.F / m of both atoms is F^2 / mu, and 1 u A^2 / fs^2 is 1 / A eV.
    terms = dt**2 * (curvature * rate**2 / 12 - slope**2 * A / (24 * mu))
    expected = 0.5 * mu * rate**2 / A + potential + terms
    # The backward difference of the kicks is good to third order: 3 % of the terms here.
    atol = 0.04 * float(terms.abs().max())
    torch.testing.assert_close(modified_energies(hcl, run), expected[:, 3:], rtol=0, atol=atol)


def corrected(system, anchor, positions, velocities, excess):
    """On-step velocities and the correction, where the reference lies ``excess`` (eV) below the present energy."""
    source = HamiltonianKick(system)
    kick = source.kick(MDState(0, positions, velocities))
    state = MDState(0, positions, velocities - 0.5 * kick)
    # Equal kicks have no difference, so H~ here lacks the curvature, on both sides alike.
    kicks = [kick] * 4
    reference = EnergyReference(anchor.energy(state, source.energy - excess, kicks), 1)
    return anchor.correction(state, source.energy, kicks, reference), source.energy


def parts(system, positions, velocities):
    """Vibrational and rotational kinetic energy, [replica], eV."""
    mass_1, mass_2 = system.masses_u
    mu = mass_1 * mass_2 / (mass_1 + mass_2)
    bond, relative = positions[:, 1] - positions[:, 0], velocities[:, 1] - velocities[:, 0]
    radial = (bond * relative).sum(dim=-1) / bond.norm(dim=-1)
    total = relative.square().sum(dim=-1)
    return 0.5 * mu * radial**2 / A, 0.5 * mu * (total - radial**2) / A


@pytest.mark.parametrize("excess_eV", [0.004, -0.004])
def test_a_small_excess_is_taken_out_of_the_vibration_alone(hcl, bound, excess_eV):
    positions, velocities = draw(hcl, RotatingRegime(4.0, 2.0), n_replicas=200)
    correction, potential = corrected(hcl, bound, positions, velocities, excess_eV)
    kinetic, rotation = parts(hcl, positions, velocities)
    after, rotation_after = parts(hcl, positions, velocities + correction)
    ample = kinetic / (kinetic + potential) > 0.25
    assert 100 < int(ample.sum()) < 200
    torch.testing.assert_close((kinetic - after)[ample], torch.full((int(ample.sum()),), excess_eV).double())
    torch.testing.assert_close(rotation_after, rotation, rtol=1e-11, atol=0)
    # Where little of the energy is kinetic, part of the excess goes, and never the other way.
    taken = ((kinetic - after) / excess_eV)[~ample]
    assert bool(((taken >= 0) & (taken < 1)).all())


def test_the_correction_leaves_the_momenta_alone(hcl, bound):
    positions, velocities = draw(hcl, ThermalRegime(300.0), n_replicas=50)
    boost = torch.tensor([0.01, -0.02, 0.005], dtype=torch.float64)
    correction, _ = corrected(hcl, bound, positions + 100 * boost, velocities + boost, 0.01)
    masses = hcl.masses()[:, None]
    assert float((masses * correction).abs().max()) > 1e-5
    assert float((masses * correction).sum(dim=-2).abs().max()) < 1e-16
    torque = torch.linalg.cross(positions + 100 * boost, masses * correction).sum(dim=-2)
    assert float(torque.abs().max()) < 1e-15


@pytest.mark.parametrize(("excess_eV", "share_left"), [(10.0, 0.7), (-10.0, 1.3)])
def test_a_large_excess_is_taken_in_bounded_portions(hcl, excess_eV, share_left):
    anchor = EnergyCorrection(EnergyAnchor(largest_change=0.3), hcl, device="cpu")
    positions, velocities = draw(hcl, RotatingRegime(4.0, 2.0), n_replicas=50)
    correction, _ = corrected(hcl, anchor, positions, velocities, excess_eV)
    kinetic, _ = parts(hcl, positions, velocities)
    after, _ = parts(hcl, positions, velocities + correction)
    moving = kinetic > 1e-3
    torch.testing.assert_close((after / kinetic)[moving], torch.full((int(moving.sum()),), share_left).double())


@pytest.mark.parametrize("excess_eV", [0.01, -0.01, 5.0])
@pytest.mark.parametrize("stretch", [0.1, -0.05, 0.0])
def test_a_bond_at_rest_gets_a_finite_correction(hcl, bound, excess_eV, stretch):
    equilibrium = torch.tensor(hcl.equilibrium_A, dtype=torch.float64)
    positions = (equilibrium * (1 + stretch)).unsqueeze(0)
    source = HamiltonianKick(hcl)
    kick = source.kick(MDState(0, positions, torch.zeros_like(positions)))
    state = MDState(0, positions, -0.5 * kick)
    reference = EnergyReference(bound.energy(state, source.energy - excess_eV, [kick] * 4), 1)
    assert torch.equal(bound.correction(state, source.energy, [kick] * 4, reference), torch.zeros_like(positions))


def test_a_lost_replica_does_not_touch_the_others(hcl, bound):
    positions, velocities = draw(hcl, RotatingRegime(4.0, 2.0))
    expected, _ = corrected(hcl, bound, positions, velocities, 0.004)
    broken = positions.clone()
    broken[2] = math.nan
    correction, _ = corrected(hcl, bound, broken, velocities, 0.004)
    others = [0, 1, 3, 4, 5]
    assert torch.equal(correction[others], expected[others])
    assert bool(correction[2].isnan().all())


@pytest.mark.parametrize("gain", [1.3, 0.7])
def test_a_planted_energy_error_is_put_right(hcl, make_oracle, propagate, rotating_states, gain):
    mass_1, mass_2 = hcl.masses_u
    masses, shares = hcl.masses()[:, None], torch.tensor([[-mass_2], [mass_1]], dtype=torch.float64) / (mass_1 + mass_2)

    def plant_and_run(anchor):
        options = {"schedule": Periodic(1 / 9), "anchor": anchor, "states": rotating_states(hcl, 8)}
        propagator, before = propagate(hcl, make_oracle(hcl), 60, **options)
        values = propagator.state_dict()
        positions, velocities = values["positions"], values["velocities"]
        axis = torch.nn.functional.normalize(positions[:, 1] - positions[:, 0], dim=-1)
        radial = ((velocities[:, 1] - velocities[:, 0]) * axis).sum(dim=-1, keepdim=True)
        values["velocities"] = velocities + (gain - 1) * shares * (radial * axis).unsqueeze(1)
        propagator = Propagator.restore(propagator.dynamics, values)
        return before, propagator.advance(400)

    before, loose = plant_and_run(None)
    _, anchored = plant_and_run(EnergyAnchor())
    target = modified_energies(hcl, before.frames(0, 20)).mean(dim=1, keepdim=True)
    errors = [modified_energies(hcl, run)[:, -100:] / target - 1 for run in (loose, anchored)]
    planted, mended = (error.abs().median(dim=1).values for error in errors)
    # Where the bond was near its turning point there was no velocity to scale.
    hit = planted > 0.03
    assert int(hit.sum()) >= 4
    # Steps beside an injection see its correction in their difference of kicks; the rest is what Verlet leaves of H~.
    assert float(mended.max()) < 2e-3
    for run in (loose, anchored):
        momentum = (masses * torch.linalg.cross(run.positions, run.velocities)).sum(dim=-2)
        start = (masses * torch.linalg.cross(before.positions, before.velocities)).sum(dim=-2)[:, :1]
        assert float((momentum - start).abs().max()) < 1e-10 * float(start.norm(dim=-1).min())
        assert float((masses * run.velocities).sum(dim=-2).abs().max()) < 1e-14


def test_an_anchor_hardly_disturbs_a_run_that_needs_none(hcl, make_oracle, propagate, reference):
    _, run = propagate(hcl, make_oracle(hcl), 400, schedule=Periodic(1 / 7), anchor=EnergyAnchor())
    lengths, expected = (
        (each.positions[:, :, 1] - each.positions[:, :, 0]).norm(dim=-1) for each in (run, reference(hcl, 400))
    )
    # Amplitudes are 0.08 A; H~ itself varies by 1e-3 of the energy.
    assert float((lengths - expected).abs().max()) < 1e-3


def test_the_anchor_costs_no_force_call(hcl_morse, mimic, propagate):
    with_anchor, _ = propagate(hcl_morse, mimic(hcl_morse), 220, schedule=Periodic(0.1), anchor=EnergyAnchor())
    without, _ = propagate(hcl_morse, mimic(hcl_morse), 220, schedule=Periodic(0.1))
    assert with_anchor.n_force_calls == without.n_force_calls == 20


def test_a_reference_is_the_mean_over_the_steps_before_ml(hcl, make_oracle, propagate, reference):
    propagator, _ = propagate(hcl, make_oracle(hcl), 30, anchor=EnergyAnchor())
    run, found = reference(hcl, 20), propagator.injected.reference
    assert found.n_samples == 17
    torch.testing.assert_close(found.mean, modified_energies(hcl, run).mean(dim=1))
    assert propagator.dynamics.injection.init().reference == EnergyReference(None, 0)


@pytest.fixture(params=["H2O", "H2O2", "CO2"])
def molecule(request):
    return MOLECULES[request.param]


@pytest.mark.parametrize("excess_eV", [0.004, -0.004])
def test_of_many_atoms_the_internal_velocity_gives_the_energy(molecule, excess_eV):
    system = molecule.system()
    anchor = EnergyCorrection(EnergyAnchor(), system, device="cpu")
    positions, velocities = molecule.states(20)
    correction, _ = corrected(system, anchor, positions, velocities, excess_eV)
    masses = molecule.masses
    energies = [(0.5 * masses * each.square()).sum(dim=(-2, -1)) / A for each in (velocities, velocities + correction)]
    internal = internal_velocity(positions, velocities, masses)
    kinetic = (0.5 * masses * internal.square()).sum(dim=(-2, -1)) / A
    ample = kinetic / (kinetic + system.hamiltonian.energy_and_forces(positions)[0]) > 0.26
    expected = torch.full((20,), excess_eV, dtype=torch.float64)
    assert int(ample.sum()) >= 10
    torch.testing.assert_close((energies[0] - energies[1])[ample], expected[ample], rtol=1e-9, atol=0)
    centred = positions - (masses * positions).sum(dim=-2, keepdim=True) / masses.sum()
    for momentum in (masses * correction, torch.linalg.cross(centred, masses * correction)):
        assert float(momentum.abs().max()) > 1e-5
        assert float(momentum.sum(dim=-2).abs().max()) < 1e-12


def test_a_planted_error_of_many_atoms_is_put_right(molecule):
    """The vibration is 20 % too fast when ML takes over; its kicks are true but for that."""
    system = molecule.system()

    def errors(correction):
        run = Propagator.begin(reference_dynamics(system), *molecule.states(6))
        target = modified_energies(system, run.advance(30)).mean(dim=1)
        saved = run.state_dict()
        internal = internal_velocity(saved["positions"], saved["velocities"], molecule.masses)
        state = MDState(30, saved["positions"], saved["velocities"] + 0.2 * internal)
        true, past, found = HamiltonianKick(system), saved["past_kicks"], []
        for step in range(60):
            kick = true.kick(state)
            change = kick
            if correction is not None and step % 7 == 6:
                change = kick + correction.correction(state, true.energy, [kick, *past], EnergyReference(target, 1))
            on_step = state.velocities + 0.5 * kick
            energy = modified_energy(on_step, true.energy, [kick, *past], system.masses()[:, None] / A)
            found.append(energy / target - 1)
            past = [kick, *past][:3]
            velocities = state.velocities + change
            state = MDState(state.step + 1, state.positions + system.dt_fs * velocities, velocities)
        return torch.stack(found)[-5:].abs().median(dim=0).values

    loose, anchored = errors(None), errors(EnergyCorrection(EnergyAnchor(), system, device="cpu"))
    assert float(loose.median()) > 0.05
    assert float(anchored.max()) < 0.02 < float(loose.max())


@pytest.mark.parametrize("name", ["least_share", "largest_change"])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, math.nan])
def test_shares_outside_zero_to_one_are_refused(name, value):
    with pytest.raises(ConfigError, match=rf"injection\.anchor\.{name} = {value} must lie in \(0, 1\)"):
        EnergyAnchor(**{name: value})
