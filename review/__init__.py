"""What a pull request would change in each region: a verdict, and the reasons for it.

In it: two rehearsals of a stack compared, and the files that no rehearsal shows, or a plan of the real engine
read; and `effects`, the table of what a change of each setting does. Not in it: any need of a cloud.
For others: `as_json`, `compare`, `effects`, `model`, `snapshot`, `terminal`.
"""
