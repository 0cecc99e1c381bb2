"""Aggregates, interpolation and plots in columns: pure functions over samples and blocks of summaries."""
