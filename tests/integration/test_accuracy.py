"""A tiny model, trained here: does it learn what the linear shortcut leaves, and does it hold a rollout?"""

from cli.running import TO_LEARN, train


def test_a_tiny_model_learns_thermal_morse_dynamics(tmp_path, no_figures):
    """300 steps of Adam on 64 stretches of HCl at 300 K, seed 1; eight replicas for 2000 steps (1 ps)."""
    metrics = train(
        tmp_path,
        *TO_LEARN,
        "data.trajectories.n_train=128",
        "data.batches.batch_size=64",
        "data.batches.batches_per_epoch=150",
        "rollout.n_steps=2000",
        "rollout.n_replicas=8",
        "rollout.every_n_epochs=0",
    )
    linear, learned = (metrics[f"test/{name}velocity_accuracy_percent"] for name in ("linear_", ""))
    assert linear < 99.8
    assert learned > 99.99
    anchored = "rollout/every_100_anchored/"
    assert metrics[anchored + "energy_error_median"] < 5e-3
    assert metrics[anchored + "energy_error_worst"] < 2e-2
    assert metrics[anchored + "bond_mean_error_A"] < 1e-3
    assert metrics[anchored + "frequency"] == 0.01
    # Injections of the force alone repair less: the predictor does not know the energy.
    for schedule in ("never", "every_100"):
        assert metrics[f"rollout/{schedule}/energy_error_median"] > 2.0 * metrics[anchored + "energy_error_median"]
        assert metrics[f"rollout/{schedule}/diverged_replicas"] == 0
