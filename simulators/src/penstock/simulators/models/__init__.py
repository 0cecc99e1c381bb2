"""Machines as small physical models: seeded, pure, stepped by the caller."""
