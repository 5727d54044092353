"""What every tool reads and prints with.

In it: JSON values and text for a terminal. Not in it: anything that only one tool needs.
For others: `json_values`, `terminal`.
"""
