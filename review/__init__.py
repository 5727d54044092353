"""What a pull request would change in each region: a verdict, and the reasons for it.

In it: comparing two rehearsals of a stack, and the files that no rehearsal covers; reading a plan of the real
engine; and `effects`, the table of what changing each setting does. Not in it: anything that needs a cloud.
For others: `as_json`, `compare`, `effects`, `model`, `snapshot`, `terminal`.
"""
