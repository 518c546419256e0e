"""Counts the force calls and the steps of a finished rollout."""

from mlmd.propagation.propagator import Propagator


def rollout_counts(propagator: Propagator) -> dict[str, float]:
    """Force calls, injection frequency and size of a rollout, by their names in ``metrics.json``.

    Args:
        propagator: one that has advanced beyond its start step.

    Returns:
        ``force_calls`` since the model took over, ``warmup_force_calls`` before that, ``frequency`` (force calls per
        step since the model took over), ``n_steps`` and ``n_replicas``.
    """
    n_steps = propagator.state.step - propagator.start_step
    return {
        "force_calls": propagator.n_force_calls,
        "warmup_force_calls": propagator.n_warmup_calls,
        "frequency": propagator.n_force_calls / n_steps,
        "n_steps": n_steps,
        "n_replicas": propagator.state.n_replicas,
    }
