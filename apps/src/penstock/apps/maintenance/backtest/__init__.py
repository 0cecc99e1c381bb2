"""The maintenance analytics offline: on a *study*, a folder of recorded machines, with the code that runs live."""
