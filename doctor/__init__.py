"""Asks the real account and cluster the rehearsal's questions: before `up`, after it, or when it failed.

In it: a module per category of questions, what they ask with (`aws`, `api`, `state`), and the report. It
changes nothing: `calls` lists every call that it makes.
Not in it: what a finding is and how it looks, which `checks` defines for the rehearsal, too.
For others: `as_json`, `calls`, `catalogue`, `permissions`, `report`.
"""
