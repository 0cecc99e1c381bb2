"""`penstock doctor`: look at the machine and the data folder, and say in plain words what to do."""
