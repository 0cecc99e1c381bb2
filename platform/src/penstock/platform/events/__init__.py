"""Events: the live stream to apps, resumable by commit position."""
