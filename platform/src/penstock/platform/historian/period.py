"""The period of summaries."""

PERIOD_NS = 900 * 1_000_000_000
"""A quarter of an hour of UTC: divides windows from an hour on, also in zones 30 or 45 minutes apart from others."""
NS_PER_S = 1e9
