"""The monitoring app: what the plant does now, and whether everything it said has arrived."""

from penstock.apps.monitoring.bootstrap import main

__all__ = ["main"]
