"""The demo plant: plant.yaml, types/ and devices/, copied once into a folder of the user's."""

from pathlib import Path

DEMO_PLANT = Path(__file__).parent
"""Folder of the demo plant's files."""
