"""Many regions, in waves: drives ordinary stacks through the Pulumi CLI, and keeps no state of its own.

In it: `file` reads the fleet file, `stacks` the stacks' own, `cli` runs Pulumi, `region` holds operations on
one stack, `preflight` the checks before anything begins, `rollout` the waves, `command` a command as a whole;
`view` shows progress, `report` the result.
Not in it: the emulation; a fleet runs on whatever `pulumi` runs on.
For others: `file`.
"""
