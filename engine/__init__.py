"""Driving the real Pulumi CLI.

In it: projects and stack files as the engine reads them, operations on a stack and their events, the values
and resources that programs and providers exchange with it, programs on its path (the real Kubernetes provider
among them), and its death by SIGKILL.
Not in it: what the providers do; which ones a stack runs against, its caller says.
For others: `driver`, `events`, `go_yaml`, `kill`, `kubernetes_provider`, `programs`, `project`, `properties`,
`remedies`, `run`, `settings`, `shell`.
"""
