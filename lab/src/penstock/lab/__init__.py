"""Scores what the maintenance app said against the truth: simulated machines and public data; nobody imports it."""
