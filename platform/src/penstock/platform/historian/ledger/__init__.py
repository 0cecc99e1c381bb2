"""What became of every batch and sample: counts and records with their cause, batch by batch and tag by tag."""
