"""Reads trajectories that users bring: any file that ASE reads."""
