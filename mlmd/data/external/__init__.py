"""Reads users' own trajectories, from any file format of ASE."""
