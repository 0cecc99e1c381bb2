"""Protocol drivers of Penstock."""
