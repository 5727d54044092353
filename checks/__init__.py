"""The questions whether a region would work, and their findings: pure functions of evidence.

In it: a module a question, with its name, the question and a `check` that adds findings; what is evidence
(`evidence`, `region`); and what AWS and the CSI driver make of it (`aws_policy`, `csi_provider`, `pod`).
Not in it: how the evidence is had. `rehearsal.gather` has it from the emulator.
For others: `aws_policy`, `csi_provider`, `evidence`, `finding`, `pod`, `questions`, `region`,
`report`, `secrecy`.
"""
