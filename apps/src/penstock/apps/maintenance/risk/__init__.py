"""What may happen within the time that a repair needs, what it would cost, and so what comes first. Pure."""
