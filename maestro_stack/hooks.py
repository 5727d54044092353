"""What to add to a provider's refusal, where its own words don't say what to do."""

from typing import Literal

import pulumi


def explain_failure(
    name: str, explanation: str, *, when: str, operation: Literal["create", "delete"] = "create"
) -> pulumi.ResourceHookBinding:
    """Log `explanation` if the operation fails and the provider's message holds `when`, in lower case.

    Source: Pulumi documentation, "Resource hooks".
    """

    def explain(args: pulumi.ErrorHookArgs) -> bool:
        if args.failed_operation == operation and any(when in error.lower() for error in args.errors):
            pulumi.log.error(explanation)
        return False  # never retry: the same call would fail again

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(name, explain)])
