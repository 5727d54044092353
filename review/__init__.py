"""What a pull request would change in each region: a verdict, and the reasons for it.

A review compares two rehearsals of a stack, or reads a plan of the real engine; it needs no cloud.
"""
