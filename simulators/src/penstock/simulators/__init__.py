"""Simulated machines, faults, playback for Penstock."""
