"""Runs the unmodified program without a cloud, and checks whether what it builds would work.

In it: one rehearsal from start to end (`rehearse`: run, `gather`, check; `report`), the commands that run the
engine against the emulation, the playground, and a stand-in for kubelet that makes a pod ready only if its
volume would mount. Not in it: the emulator, engine, control plane and checks that it combines.
For others: `__main__`, `emulated_fleet`, `environment`, `rehearse`, `report`.
"""
