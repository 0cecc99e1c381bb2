"""Ingest: the one door through which samples come, from gateways and from small writers."""
