"""Advisory generation (ISO 13374-1, block AG): which part, what to do, how urgent; and whether it is only the sensor.

Pure: rows and what the state detection makes of them in, diagnoses out; no clock, no randomness, no constants of any
one machine. Which part breaks how is data: the failure modes of the asset's type.
"""
