"""Runs the unmodified program with no cloud, and asks whether what it builds would work.

In it: one rehearsal from start to end (`rehearse`: run, `gather`, ask; `report`), the commands that run the
engine over the emulation, the playground, and the stand-in for kubelet that lets a pod be ready only when its
volume would mount. Not in it: emulator, engine, control plane and checks, which it puts together.
For others: `__main__`, `emulated_fleet`, `environment`, `rehearse`, `report`.
"""
