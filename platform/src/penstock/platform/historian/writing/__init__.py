"""The one way into the files: judged batches in group commits, corrections, newest values, sealing."""
