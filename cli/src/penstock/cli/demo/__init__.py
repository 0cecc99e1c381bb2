"""`penstock demo`: the whole stack on one machine, embedded and supervised."""
