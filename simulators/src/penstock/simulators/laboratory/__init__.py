"""The fault laboratory: the simulators' own page, on which machines are broken and the hidden truth is seen.

It shows the moment at which a fault began beside the moment at which the platform said so. Truth comes to this page and
goes nowhere else: a credential of its own opens it, and where it reads a platform's alarms it sends nothing but the
question.
"""
