"""Measurements, printed in one run by `python -m benchmarks`; each compares with something of its own kind."""
