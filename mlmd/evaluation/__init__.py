"""Judges rollouts: reads them in chunks, scores every replica, summarises, and keeps the curves that figures show."""
