"""The command penstock."""
