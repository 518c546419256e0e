import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmd.errors import DataError
from mlmd.observables import (
    angular_momentum,
    angular_momentum_error,
    angular_momentum_scale,
    kinetic_energy,
    linear_momentum,
    linear_momentum_error,
    partition_kinetic_energy,
)

MASSES = torch.tensor([1.008, 34.969], dtype=torch.float64)


def random_run(seed: int = 0, n_atoms: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positions, velocities = torch.randn(2, 3, 6, n_atoms, 3, generator=generator, dtype=torch.float64)
    return positions, velocities


def rotor(omega: torch.Tensor, n_frames: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """A rigid diatomic on x that turns about z, 2 A long, omega [replica] in 1/fs; frame 0 repeated."""
    share = torch.stack([-MASSES[1], MASSES[0]]) / MASSES.sum()
    positions = torch.zeros(len(omega), n_frames, 2, 3, dtype=torch.float64)
    velocities = torch.zeros_like(positions)
    positions[..., 0] = 2.0 * share
    velocities[..., 1] = 2.0 * omega[:, None, None] * share
    return positions, velocities


def test_momenta_are_the_direct_sums():
    positions, velocities = random_run(n_atoms=3)
    masses = torch.tensor([1.0, 12.0, 16.0], dtype=torch.float64)
    r, v, m = positions.numpy(), velocities.numpy(), masses.numpy()
    linear = np.einsum("rtai,a->rti", v, m)
    centre = np.einsum("rtai,a->rti", r, m) / m.sum()
    angular = np.einsum("rtai,a->rti", np.cross(r, v), m) - np.cross(centre, linear)
    np.testing.assert_allclose(linear_momentum(velocities, masses).numpy(), linear, atol=1e-12)
    np.testing.assert_allclose(angular_momentum(positions, velocities, masses).numpy(), angular, atol=1e-11)


@settings(deadline=None)  # the first call sets up the library
@given(offset=st.floats(-1e3, 1e3), boost=st.floats(-1, 1))
def test_angular_momentum_is_that_about_the_centre_wherever_it_is(offset, boost):
    positions, velocities = random_run()
    torch.testing.assert_close(
        angular_momentum(positions + offset, velocities + boost, MASSES),
        angular_momentum(positions, velocities, MASSES),
        rtol=1e-9,
        atol=1e-9,
    )


def test_rotor_has_mu_r2_omega():
    L = angular_momentum(*rotor(torch.tensor([0.01], dtype=torch.float64)), MASSES)
    mu = float(MASSES.prod() / MASSES.sum())
    assert L[0, 0].tolist() == pytest.approx([0.0, 0.0, mu * 4.0 * 0.01])


def test_angular_error_is_relative_to_the_first_angular_momentum():
    positions, velocities = rotor(torch.tensor([0.01, -0.02], dtype=torch.float64))
    velocities[:, -1] *= torch.tensor([1.1, 0.8], dtype=torch.float64)[:, None, None]
    assert angular_momentum_error(positions, velocities, MASSES).tolist() == pytest.approx([0.1, 0.2])


def test_angular_error_of_a_vibration_is_relative_to_what_its_parts_could_have(harmonic_run):
    trajectory = harmonic_run(n_frames=500).trajectory
    scale = angular_momentum_scale(trajectory.positions, trajectory.velocities, MASSES)
    mu = float(MASSES.prod() / MASSES.sum())
    # mean |dr/dt| of a cosine is 2/pi of its largest; length 1.27 A, amplitude 0.05 A, period 12.5 fs
    expected = mu * 1.27 * 0.05 * (2 * math.pi / 12.5) * 2 / math.pi
    assert scale.tolist() == pytest.approx([expected] * 3, rel=1e-2)
    errors = angular_momentum_error(trajectory.positions, trajectory.velocities, MASSES)
    assert float(errors.max()) < 1e-12


def test_angular_scale_survives_a_start_at_the_turning_point(harmonic_run):
    trajectory = harmonic_run(n_frames=100, drift_A_per_fs=0.0).trajectory
    trajectory.velocities[:, 0] = 0.0
    scale = angular_momentum_scale(trajectory.positions, trajectory.velocities, MASSES)
    assert bool((scale > 1e-3).all())


def test_linear_error_is_the_change_over_the_natural_size():
    velocities = torch.ones(2, 4, 2, 3, dtype=torch.float64)
    velocities[1, -1] *= 1.5
    scale = torch.tensor([2.0, 2.0], dtype=torch.float64)
    changed = 0.5 * math.sqrt(3) * float(MASSES.sum())
    assert linear_momentum_error(velocities, MASSES, scale=scale).tolist() == pytest.approx([0.0, changed / 2])
    own = linear_momentum_error(velocities, MASSES).tolist()
    assert own == pytest.approx([0.0, 0.5 / (1 + 0.5 / 4)])


def test_nothing_that_moves_is_no_error():
    still = torch.zeros(1, 3, 2, 3, dtype=torch.float64)
    assert linear_momentum_error(still, MASSES).tolist() == [0.0]
    assert angular_momentum_error(still, still, MASSES).tolist() == [0.0]


def test_diverged_replica_is_nan():
    positions, velocities = random_run()
    velocities[1, 3:] = math.nan
    assert linear_momentum_error(velocities, MASSES).isnan().tolist() == [False, True, False]
    assert angular_momentum_error(positions, velocities, MASSES).isnan().tolist() == [False, True, False]


@settings(deadline=None)
@given(seed=st.integers(0, 1000))
def test_parts_of_the_kinetic_energy_add_up(seed):
    positions, velocities = random_run(seed)
    parts = partition_kinetic_energy(positions, velocities, MASSES)
    torch.testing.assert_close(sum(parts), kinetic_energy(velocities, MASSES))


def test_each_motion_is_in_its_own_part(harmonic_run):
    drifting = harmonic_run(n_frames=200).trajectory
    vibration, rotation, translation = partition_kinetic_energy(drifting.positions, drifting.velocities, MASSES)
    assert float(rotation.max()) < 1e-14
    expected = 0.5 * float(MASSES.sum()) * 1e-6 * 103.642697
    torch.testing.assert_close(translation, torch.full_like(translation, expected), rtol=1e-7, atol=0.0)
    torch.testing.assert_close(vibration, kinetic_energy(drifting.velocities, MASSES) - translation)

    vibration, rotation, translation = partition_kinetic_energy(
        *rotor(torch.tensor([0.01], dtype=torch.float64)), MASSES
    )
    mu = float(MASSES.prod() / MASSES.sum())
    assert float(rotation[0, 0]) == pytest.approx(0.5 * mu * 4.0 * 1e-4 * 103.642697, rel=1e-7)
    assert float(vibration.max()) == 0.0
    assert float(translation.max()) < 1e-14


def test_partition_is_for_diatomics():
    with pytest.raises(DataError, match="give a diatomic"):
        partition_kinetic_energy(torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 3, 3), torch.ones(3))


def test_a_momentum_that_comes_back_is_seen_on_its_way():
    velocities = torch.zeros(1, 3, 2, 3, dtype=torch.float64)
    velocities[0, 1, 0, 0] = 0.5
    scale = torch.ones(1, dtype=torch.float64)
    assert linear_momentum_error(velocities, MASSES, scale=scale).tolist() == [0.5 * float(MASSES[0])]
    positions = torch.zeros_like(velocities)
    positions[..., 0, 1], positions[..., 1, 1] = -1.0, 1.0
    assert float(angular_momentum_error(positions, velocities, MASSES, scale=scale)) > 0.1
