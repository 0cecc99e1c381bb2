"""Judging by state detection: what an asset's channels say together, against a stretch in which it was healthy."""
