"""Play a study through a running stack: replayed devices → gateway → historian → app, read back through the API."""
