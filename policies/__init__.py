"""Rules as code: what every Maestro region keeps to, whoever changes the program.

The rules are pure functions of a resource's inputs. The rehearsal and the review judge by them, and
`policies/pack` offers them to `pulumi --policy-pack`.
"""
