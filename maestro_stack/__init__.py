"""What one region's Maestro is made of. This file imports nothing, so other projects can use `outputs` alone.

In it: what gets provisioned, one component per module, and the configuration for it.
Not in it: anything that only tests, tools or reviewers need; it imports Pulumi, its providers and pydantic.
For others: `aws_configuration`, `chart`, `constraints`, `database`, `errors`, `kubeconfig`, `messages`,
`mqtt`, `names`, `outputs`, `parameters`, `permissions`, `regional`, `schema`, `server`, `settings`,
`support`, `surroundings`.
"""
