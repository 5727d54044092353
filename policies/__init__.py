"""Policy as code: the rules that every Maestro region keeps to, whoever changes the program.

In it: rules, pure functions of a resource's inputs, and the pack that gives them to `pulumi --policy-pack`.
Not in it: what a setting may be (`maestro_stack.constraints`), and whether the result works (`checks`).
For others: `documents`, `judge`, `rule`, `rules`, `types`.
"""
