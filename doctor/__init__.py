"""The rehearsal's questions, asked of the real account and cluster: before `up`, after it, when it failed.

In it: a module a category of questions, what they ask with (`aws`, `api`, `state`), and the report. It
changes nothing: `calls` lists every call that it makes.
Not in it: what a finding is and how it looks; that is the rehearsal's, in `checks`.
For others: `as_json`, `calls`, `catalogue`, `permissions`, `report`.
"""
