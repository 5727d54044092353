"""Runs the unmodified program with no cloud: an in-process AWS, Helm's engine, and checks on the result."""
