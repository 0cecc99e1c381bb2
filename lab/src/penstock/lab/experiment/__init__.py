"""The scored experiment on simulated machines: drawn at run time, simulated, judged by the app, held against truth."""
