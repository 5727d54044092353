"""Driving the real Pulumi CLI.

In it: projects and stack files as the engine reads them, operations on a stack and their events, the values
and resources that programs and providers exchange with it, programs on its PATH (the real Kubernetes provider
among them), and killing it.
Not in it: what the providers do; the caller says which ones a stack runs against.
For others: `driver`, `events`, `go_yaml`, `kill`, `kubernetes_provider`, `programs`, `project`, `properties`,
`remedies`, `run`, `settings`, `shell`.
"""
