"""Many regions, in waves: drives ordinary stacks by the Pulumi CLI, and keeps no state of its own.

In it: `file` reads the fleet file, `stacks` the stacks' own, `cli` runs Pulumi, `region` is what can be done
with one stack, `preflight` what must hold before anything begins, `rollout` the waves, `command` a command as
a whole; `view` is what is seen meanwhile, `report` what is said at the end.
Not in it: the emulation; a fleet runs on what `pulumi` runs on.
For others: `file`.
"""
