"""Work orders: what is to be done to a machine, when, and what was found."""
