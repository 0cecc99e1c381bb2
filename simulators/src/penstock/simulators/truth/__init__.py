"""The hidden truth: what machines really are, beside what they say; experiments are scored against it.

Nothing of it becomes a tag. It lies in the simulators' data folder alone and is read through a door of its own.
"""
