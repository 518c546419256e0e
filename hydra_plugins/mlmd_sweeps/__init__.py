"""Sweeps of mlmd as plugins of Hydra, which looks for them in ``hydra_plugins``; the rest of them is `mlmd.sweeps`."""
