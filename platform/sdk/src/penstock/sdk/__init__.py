"""Python client and app framework of Penstock."""
