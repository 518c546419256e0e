"""What is drawn and told of a molecule: water under two schedules, one of which is off by 0.2 % in every line."""

import torch
from observables.molecules import DT_FS, WATER

from mlmd.evaluation.curves import RolloutCurves
from mlmd.evaluation.evaluate import evaluate_rollouts

SHIFTED, EXACT = "f = 0", "f = 0.01"


def water_curves(n_frames: int = 6000) -> RolloutCurves:
    """Of two replicas that turn."""
    turn = torch.tensor([2e-3, 1e-3, 3e-3], dtype=torch.float64)
    true, shifted = (
        WATER.run(n_replicas=2, n_frames=n_frames, turn=turn, factor=(factor,) * 3)[0] for factor in (1.0, 0.998)
    )

    def potential(positions):
        return 1.0 + (positions[..., 1, :] - positions[..., 0, :]).norm(dim=-1)

    return evaluate_rollouts(
        {SHIFTED: shifted, EXACT: true},
        true,
        potential,
        masses=WATER.masses,
        dt_fs=DT_FS,
        period_fs=21.0,
        motion=WATER.motion,
    ).curves
