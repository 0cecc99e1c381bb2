"""Plumbing of the platform: settings, problems, access, database, paging, audit. It knows no feature."""
