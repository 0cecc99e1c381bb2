"""What a machine's page shows of vibration by frequency, and of where the machine works."""
