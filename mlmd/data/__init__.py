"""Trajectories as data: generation, storage with provenance, sequences for training."""
