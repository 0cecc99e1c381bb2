"""The analytics run over a *study*, recorded machines in neutral files: the same code as live, without a platform."""
