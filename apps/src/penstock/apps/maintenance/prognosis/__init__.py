"""Prognosis (ISO 13374-1, block PA; ISO 13381-1): how long will a machine last, how sure is that, and what says so?

`fit` learns from runs to failure, `predict` and `Prognoser` estimate. Pure: no clock, no files but where a model is
saved, no name of a machine or channel means anything.
"""
