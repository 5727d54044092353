"""How to reach an EKS cluster."""

import json
from collections.abc import Mapping
from types import MappingProxyType


def eks_kubeconfig(  # noqa: PLR0913
    *,
    name: str,
    arn: str,
    region: str,
    endpoint: str,
    certificate_authority: str,
    role_arn: str | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """A kubeconfig that asks `aws eks get-token` for each token, so that its text never changes.

    `endpoint` is a URL, `certificate_authority` base64-encoded PEM, `environment` more variables for the CLI.

    Source: Amazon EKS user guide, "Connect kubectl to an EKS cluster by creating a kubeconfig file".
    """
    arguments = ["--region", region, "eks", "get-token", "--cluster-name", name]
    if role_arn:
        arguments += ["--role-arn", role_arn]
    execute = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": [*arguments, "--output", "json"],
        "env": [{"name": name, "value": value} for name, value in environment.items()] or None,
        "interactiveMode": "Never",
    }
    server = {"server": endpoint, "certificate-authority-data": certificate_authority}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": arn,
            "contexts": [{"name": arn, "context": {"cluster": arn, "user": arn}}],
            "clusters": [{"name": arn, "cluster": server}],
            "users": [{"name": arn, "user": {"exec": execute}}],
        }
    )
