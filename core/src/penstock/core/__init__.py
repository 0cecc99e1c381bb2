"""Vocabulary and pure machines of Penstock."""
