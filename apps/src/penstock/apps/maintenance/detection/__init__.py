"""State detection (ISO 13374-1, block SD): is a machine as it was when healthy? Pure, online, explainable.

Two families. `fit` and `Detector`: many channels, healthy rows are known beforehand. `Stream`: a single series, judged
from its first row on, which it learns as it goes. Neither knows the clock, nor which machine it looks at.
"""
