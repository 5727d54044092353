"""What every tool reads and prints with.

In it: JSON values, text for a terminal, what counts as this machine. Not in it: anything that only one tool
needs.
For others: `json_values`, `loopback`, `terminal`.
"""
