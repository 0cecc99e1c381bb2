"""The gateway's journal: the first of the two durable places of a sample."""
