import torch

from mlmd.propagation import Periodic
from mlmd.units import ACCELERATION


def test_the_kick_is_constant_between_injections_and_true_at_them(hcl_morse, mimic, propagate, rotating_states):
    """Against a loop written out: along the bond the kick stays what the last force made it."""
    predictor = mimic(hcl_morse, shortcut="held", network=False)
    _, run = propagate(hcl_morse, predictor, 60, schedule=Periodic(0.1), start_step=20)
    positions, velocities = rotating_states(hcl_morse)
    dt, masses = hcl_morse.dt_fs, hcl_morse.masses()[:, None]

    def true_kick():
        return dt * ACCELERATION * hcl_morse.hamiltonian.energy_and_forces(positions)[1] / masses

    velocities = velocities - 0.5 * true_kick()
    shares = torch.stack((-masses[1], masses[0])) / masses.sum()
    kept = []
    for step in range(60):
        bond = positions[:, 1] - positions[:, 0]
        axis = bond / bond.norm(dim=-1, keepdim=True)
        if step < 20 or (step - 19) % 10 == 0:
            kick = true_kick()
            along = ((kick[:, 1] - kick[:, 0]) * axis).sum(dim=-1)
        else:
            kick = shares * along[:, None, None] * axis[:, None]
        kept.append(float(along[0]))
        torch.testing.assert_close(run.positions[:, step], positions, rtol=0, atol=1e-12)
        torch.testing.assert_close(run.kicks[:, step], kick, rtol=0, atol=1e-14)
        velocities = velocities + kick
        positions = positions + dt * velocities
    assert len(set(kept[20:])) == 5  # the last of the warm-up and those of four injections
