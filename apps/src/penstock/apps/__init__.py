"""Monitoring and maintenance on Penstock."""
