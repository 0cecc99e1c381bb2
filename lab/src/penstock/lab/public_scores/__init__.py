"""Scores of findings against the truth, one module a family."""
