"""Adapters of public data sets: each reads a given folder, writes a neutral study, and keeps the truth apart."""
