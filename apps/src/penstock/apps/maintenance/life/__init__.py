"""Lives of a fleet: which runs ended in failure, the prognosis fitted on them, and who is judged by it."""
