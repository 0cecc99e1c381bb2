"""Protocol servers: what a simulated device speaks to the plant network."""
