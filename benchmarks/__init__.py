"""Measurements, printed in one run by `python -m benchmarks`, each beside something of its own kind.

For others: nothing.
"""
