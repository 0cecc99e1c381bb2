"""Alarms: limit rules, the alarms they raise (ISA-18.2), and the journal of what happened to each."""
