"""The questions that tell whether a region would work, and their findings: pure functions of evidence.

In it: one module per question, with its name, the question and a `check` that adds findings; what counts as
evidence (`evidence`, `region`); and what AWS and the CSI driver do with it (`aws_policy`, `csi_provider`,
`pod`).
Not in it: how the evidence is gathered. `rehearsal.gather` gets it from the emulator.
For others: `aws_policy`, `csi_provider`, `evidence`, `finding`, `pod`, `questions`, `region`,
`report`, `secrecy`.
"""
