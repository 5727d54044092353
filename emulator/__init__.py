"""The emulated cloud: AWS on moto, Kubernetes in memory or on an API server, random values.

In it: a handler for each resource type, and two ways to reach them: in the program's own process (`mocks`),
or as plugins of the real engine (`executables`) beside one process that holds the account (`server`).
README.md says what each type needs. Not in it: whether what was built would work (`checks`).
For others: `aws`, `client`, `executables`, `kubernetes`, `lifecycle`, `mocks`, `packages`, `randomness`,
`world`.
"""
