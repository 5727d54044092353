"""The program, with seconds for the release to get ready; the program itself allows no less than a minute."""

import runpy

import pulumi

from tests.cluster.objects import RELEASE_SECONDS


def hurry(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    if args.type_ != "kubernetes:helm.sh/v3:Release":
        return None
    return pulumi.ResourceTransformationResult({**args.props, "timeout": RELEASE_SECONDS}, args.opts)


pulumi.runtime.register_stack_transformation(hurry)
runpy.run_path("__main__.py", run_name="__main__")
