"""`python -m penstock.platform`: the same commands as `penstock platform`."""

from penstock.platform.main import commands

commands()
