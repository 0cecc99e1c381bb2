"""The edge gateway of Penstock."""
