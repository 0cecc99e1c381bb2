"""Recordings that ship with the simulators, made by them."""

from pathlib import Path

SHIPPED = Path(__file__).parent
"""Folder of the recordings."""
