"""Compute: everything after the historian is a function of what it committed."""
