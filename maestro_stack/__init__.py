"""What one region's Maestro is made of. Imports nothing here, so that other projects can use `outputs` alone.

In it: what gets provisioned, one component a module, and the configuration that it is provisioned by.
Not in it: anything that only tests, tools or reviewers need; it imports Pulumi, its providers and pydantic.
For others: `aws_configuration`, `chart`, `constraints`, `database`, `errors`, `kubeconfig`, `messages`,
`mqtt`, `names`, `outputs`, `parameters`, `permissions`, `regional`, `schema`, `server`, `settings`,
`support`, `surroundings`.
"""
