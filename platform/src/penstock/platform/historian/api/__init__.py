"""The historian's routes, their questions and answers, and how they go over the wire."""
