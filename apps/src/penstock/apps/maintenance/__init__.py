"""The maintenance app: a health index for every machine with a vibration sensor, with its evidence."""

from penstock.apps.maintenance.bootstrap import main

__all__ = ["main"]
