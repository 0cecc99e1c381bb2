"""Signals without code: what a device file can say in a line."""
